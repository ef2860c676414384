"""`tienet label`: the page on which a reader labels studies by hand, and its JSON API.

`tienet.commands.label` starts the server, `app` has the addresses, and `answers` the form of what they take and give.
What is asked
and what was answered is `tienet.hand_labels.desk`'s.
"""
