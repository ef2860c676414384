"""What the tests of the labelling page do in it. Its policy allows no script of a string, so that they poll."""

import time


def wait_until(tab, expression: str, seconds: float = 10.0) -> None:
    """Wait until a JavaScript expression is true in the page."""
    until = time.monotonic() + seconds
    while not tab.evaluate(expression):
        assert time.monotonic() < until, f"{expression}: {tab.inner_text('#status')} {tab.inner_text('#error')}"
        time.sleep(0.01)


def shown(tab) -> str:
    """Wait until a study can be answered; returns its id."""
    wait_until(tab, "Boolean(study && pictured && !isKeeping())")
    return tab.evaluate("study.saved.study")


def press(tab, *keys: str) -> None:
    """Press keys, and wait until what they answered is kept."""
    for key in keys:
        tab.keyboard.press(key)
    wait_until(tab, "!isKeeping()")


def finish(tab) -> None:
    """Finish the study by Enter, and wait for the next one or for the end."""
    tab.keyboard.press("Enter")
    wait_until(tab, "Boolean(!isKeeping() && ((study && pictured) || !document.querySelector('#all-done').hidden))")


def answers(tab) -> dict[str, int]:
    """The kept answers of the study on the screen."""
    return tab.evaluate("study.saved.answers")
