"""What every Python client sends, and how it tells what it heard."""

import sys

TEXT = "Grüße, 世界 🙂"
BINARY = bytes(range(256))
PARTS = ["frag", "men", "ted"]
LARGE = "x" * 65536


def arguments():
    """The URL, and whether to offer permessage-deflate."""
    return sys.argv[1], sys.argv[2] == "offer"


def heard(message):
    """Tells of a message, str or bytes, and returns whether it asks to close."""
    if isinstance(message, str):
        print("text", message.encode().hex(), flush=True)
    else:
        print("binary", bytes(message).hex(), flush=True)
    return message == "bye"


def closed(code):
    print("closed", code, flush=True)
