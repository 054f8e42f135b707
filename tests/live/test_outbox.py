from opensqt_live.outbox import TOO_SLOW, Frame, Outbox, Tally
from opensqt_live.snapshot import Lane


def fact(text: str) -> Frame:
    return Frame(text, Lane.FACT, None, 0.0)


def state(text: str, key: str = "k") -> Frame:
    return Frame(text, Lane.STATE, key, 0.0)


def texts(box: Outbox) -> list[str]:
    taken = []
    while (frame := box.take()) is not None:
        taken.append(frame.text)
    return taken


def test_facts_keep_their_order_and_states_only_their_newest() -> None:
    tally = Tally()
    box = Outbox(10, tally)
    for frame in (fact("f1"), state("a1"), fact("f2"), state("b1", "b"), state("a2"), fact("f3")):
        box.put(frame)
    assert texts(box) == ["f1", "f2", "b1", "a2", "f3"]
    assert (tally.conflated, tally.sent, tally.dropped) == (1, 5, 0)


def test_a_snapshot_is_kept_whole() -> None:
    box = Outbox(10, Tally())
    box.begin([fact("history"), state("account", "account"), fact("orders")])
    box.put(state("account2", "account"))
    assert texts(box) == ["history", "account", "orders", "account2"]


def test_one_too_many_closes_the_client() -> None:
    tally = Tally()
    box = Outbox(2, tally)
    for number in range(5):
        box.put(fact(str(number)))
    assert box.closing is not None
    assert box.closing.code == TOO_SLOW
    assert texts(box) == []
    assert (tally.dropped, tally.too_slow) == (5, 1)


def test_a_full_outbox_still_takes_newer_states() -> None:
    box = Outbox(2, Tally())
    box.put(state("a1", "a"))
    box.put(state("b1", "b"))
    box.put(state("a2", "a"))
    assert box.closing is None
    assert texts(box) == ["b1", "a2"]


def test_the_first_reason_counts() -> None:
    box = Outbox(2, Tally())
    box.close(1008, "first")
    box.close(1001, "second")
    assert box.closing is not None
    assert (box.closing.code, box.closing.reason) == (1008, "first")
