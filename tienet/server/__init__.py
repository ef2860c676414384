"""The servers: `tienet serve`, a web page and an API that predict for one X-ray at a time, and `tienet label`.

`tienet.commands.serve` starts the server. `app` has the addresses, `guard` decides which requests are let in, `uploads`
reads a request's body, `images` decodes the pixels in it, `engine` hands them to the networks through the queues of
`batches`, and `answers` brings the predictions into the form of the API, which `api_page` describes. `samples` are the
images that the page offers. Uploads stay in memory. `labelling` is the page for readers; `base` is what both have in
common.
"""

MAX_REQUESTS = 64
"""How many requests with an upload a server works on or keeps waiting at once, unless `--queue` says otherwise."""
