"""Why a test of MariaDB's suite that passes on a plain server does not pass through ddb."""

import re

# In this order: the first pattern that is found in the state and the first difference names the class.
CLASSES = (
    (r"^trouble", "a node in trouble"),
)


def classify(state, wrong):
    text = f"{state} {wrong}"
    return next((name for pattern, name in CLASSES if re.search(pattern, text)), "not explained")
