"""`tienet serve`: the web page and the JSON API, for one X-ray at a time. Uploads stay in memory.

command.py starts it, app.py has the addresses, guard.py says who is let in, uploads.py reads a request's body,
decoding.py makes pixels of it, engine.py hands it to the networks in batches, answers.py words what comes out.
"""
