"""Writes the table of docs/slots.md from the code: `python -m tests.mm.slots_doc` in the repository's root."""

from pathlib import Path

from opensqt_mm.slots import TABLE, SlotEvent, SlotState

DOCUMENT = Path(__file__).parents[2] / "docs" / "slots.md"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"


def render() -> str:
    """Return the whole table state x event -> state; a dot where there is no such step."""
    lines = [_row(["event", *SlotState]), _row(["---"] * (len(SlotState) + 1))]
    lines += [_row([event.value, *(TABLE[state].get(event, ".") for state in SlotState)]) for event in SlotEvent]
    return "\n".join(lines)


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def written(text: str) -> str:
    """Return the table that stands in the document."""
    return text.partition(BEGIN)[2].partition(END)[0].strip()


def main() -> None:
    """Put today's table into the document."""
    text = DOCUMENT.read_text()
    head, tail = text.partition(BEGIN)[0], text.partition(END)[2]
    DOCUMENT.write_text(f"{head}{BEGIN}\n{render()}\n{END}{tail}")


if __name__ == "__main__":
    main()
