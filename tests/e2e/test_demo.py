"""`make demo` as a user runs it: it trades, and Ctrl-C ends everything."""

import os
import signal
import subprocess
import time
from pathlib import Path

from rig import wait_until

ROOT = Path(__file__).parents[2]
CTRL_C_WITHIN_S = 5.0


def children_of_the_demo() -> list[str]:
    found = subprocess.run(["pgrep", "-af", "opensqt-(sim|mm|live)"], capture_output=True, text=True, check=False)
    demo = str(ROOT / ".demo")
    pids = [line.split()[0] for line in found.stdout.splitlines()]
    return [
        pid for pid in pids if Path(f"/proc/{pid}/cwd").exists() and str(Path(f"/proc/{pid}/cwd").readlink()) == demo
    ]


def test_demo_trades_and_ctrl_c_ends_all_of_it(tmp_path: Path) -> None:
    log = tmp_path / "demo.log"
    with log.open("wb") as out:
        process = subprocess.Popen(["make", "demo"], cwd=ROOT, stdout=out, stderr=out, start_new_session=True)
    try:
        wait_until("the demo trades", lambda: "trading" in log.read_text() and children_of_the_demo(), within=90)
        began = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)
        process.wait(timeout=20)
        took = time.monotonic() - began
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    assert children_of_the_demo() == []
    assert took < CTRL_C_WITHIN_S
    assert "Traceback" not in log.read_text()
