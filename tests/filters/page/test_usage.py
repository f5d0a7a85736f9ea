"""What sites say of training, in two vocabularies."""

import pytest

from kakehi.filters.page.usage import allows_training, split_path


@pytest.mark.parametrize(
    ("value", "allowed"),
    [
        ("ai-train=no", False),
        ("search=yes, ai-train=no", False),
        ("search=yes,ai-train=no,ai-input=no", False),
        ("AI-Train = NO", False),
        ("ai-train=yes, search=no", True),
        ("search=yes", None),
        ("ai-train=", None),
        ("ai-train", None),
        ("train-ai=n", None),
        ("", None),
    ],
)
def test_a_content_signal_is_read(value, allowed):
    """What is not stated is neither granted nor refused."""
    assert allows_training("content-signal", value) is allowed


@pytest.mark.parametrize(
    ("value", "allowed"),
    [
        ("train-ai=n", False),
        ("train-ai=y", True),
        ("train-ai=n;until=2027, search=y", False),
        ("search=y, train-ai=n", False),
        ("bots=n", False),
        ("bots=n, train-ai=y", True),
        ("train-ai=y, train-genai=n", False),
        ("tdm=n", False),
        ("search=n", None),
        ("train-ai=maybe", None),
    ],
)
def test_a_preference_is_read(value, allowed):
    """The narrowest category that is stated decides."""
    assert allows_training("content-usage", value) is allowed


@pytest.mark.parametrize(
    ("value", "path", "rest"),
    [
        ("train-ai=n", "/", "train-ai=n"),
        ("/a/ train-ai=n", "/a/", "train-ai=n"),
        ("/*.pdf$\ttrain-ai=n, search=y", "/*.pdf$", "train-ai=n, search=y"),
        ("/a/", "/a/", ""),
        ("", "/", ""),
    ],
)
def test_a_path_may_come_first(value, path, rest):
    """As AIPREF has it in robots.txt."""
    assert split_path(value) == (path, rest)
