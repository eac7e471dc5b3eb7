# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One module run, measured on a node: what its process and all it started took. Prints JSON; needs nothing of Drover.

``on_node.py MODULE ARGUMENTS [CIB]``: the module is the name of a Python module, ARGUMENTS a file with its arguments as
Ansible hands them over. With CIB Pacemaker's tools ask that file instead of the cluster.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time


def main() -> None:
    module, arguments, *cib = sys.argv[1:]
    environ = {**os.environ, **({"CIB_file": cib[0]} if cib else {})}
    reading, writing = os.pipe()
    begun = time.monotonic()
    with tempfile.TemporaryFile() as complaints:
        pid = os.fork()
        if pid == 0:
            os.dup2(os.open(arguments, os.O_RDONLY), 0)
            os.dup2(writing, 1)
            os.dup2(complaints.fileno(), 2)
            os.execve(sys.executable, [sys.executable, "-m", module], environ)
        os.close(writing)
        with os.fdopen(reading, encoding="utf-8") as output:
            said = output.read()
        _pid, status, usage = os.wait4(pid, 0)
        complaints.seek(0)
        complained = complaints.read().decode(errors="replace")
    try:
        result = json.loads(said)
    except ValueError:
        result = {"failed": True, "msg": said[-2000:] + complained[-2000:]}
    print(
        json.dumps(
            {
                "seconds": result.get("measured", time.monotonic() - begun),
                "cpu": usage.ru_utime + usage.ru_stime,
                "memory": usage.ru_maxrss * 1024,
                "status": os.waitstatus_to_exitcode(status),
                "failed": result.get("failed", False),
                "msg": result.get("msg"),
                "actions": len(result.get("actions") or result.get("plan") or []),
            }
        )
    )


if __name__ == "__main__":
    main()
