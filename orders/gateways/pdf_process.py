"""HTML on stdin, PDF on stdout. Run as a program by orders.gateways.pdf; knows nothing of the shop.

Exit code 3: the library Pango is not on this machine.
"""

import resource
import sys

NO_PANGO = 3
_CPU_SECONDS = 20
_MEMORY_BYTES = 1 << 30


def main() -> int:
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    try:
        from weasyprint import HTML, urls  # noqa: PLC0415 - loads Pango, which may be missing
    except OSError as error:
        print(error, file=sys.stderr)  # noqa: T201 - a program's only way to say it
        return NO_PANGO
    page = sys.stdin.buffer.read().decode()
    nothing = urls.URLFetcher(allowed_protocols=())
    sys.stdout.buffer.write(HTML(string=page, url_fetcher=nothing).write_pdf())
    return 0


if __name__ == "__main__":
    sys.exit(main())
