import copy
import json
import pickle

import msgspec
import pytest

from opensqt_core.secret import Secret


def test_only_reveal_shows_it() -> None:
    secret = Secret("hush-hush")
    assert secret.reveal() == "hush-hush"
    assert "hush" not in f"{secret!r} {secret!s} {[secret]} {(secret,)}"
    with pytest.raises(TypeError, match="reveal"):
        f"{secret}"


def test_it_cannot_be_serialised_by_accident() -> None:
    secret = Secret("hush-hush")
    for serialise in (pickle.dumps, json.dumps, msgspec.json.encode):
        with pytest.raises((TypeError, NotImplementedError)):
            serialise(secret)
    assert not hasattr(secret, "__dict__")


def test_equality_and_copies() -> None:
    assert Secret("ä") == Secret("ä")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1
    secret = Secret("a")
    assert copy.deepcopy(secret) is secret
    assert copy.copy(secret) is secret
