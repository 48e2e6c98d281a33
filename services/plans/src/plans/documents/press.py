"""Makes a PDF of a paper: HTML comes in, a PDF goes out, and nothing else.

It runs as a process of its own for each paper. It has no settings, no secret and no
connection, prints nothing that asks for more, and ends when it takes too much.
"""

import logging
import resource
import sys

CPU_SECONDS = 20
MEMORY_BYTES = 512 * 1024 * 1024


def print_paper() -> None:
    """Read a paper's HTML from the standard input, and write its PDF."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # What it says of a paper could hold words of it.
    logging.disable()
    from weasyprint import HTML  # noqa: PLC0415 - Under the limits, and here alone.
    from weasyprint.urls import URLFetcher  # noqa: PLC0415

    # A paper that asks for anything from elsewhere is none of ours: it is not printed.
    nothing = URLFetcher(allowed_protocols=(), fail_on_errors=True)
    paper = HTML(string=sys.stdin.buffer.read().decode(), url_fetcher=nothing)
    sys.stdout.buffer.write(paper.write_pdf(pdf_variant="pdf/ua-1"))


if __name__ == "__main__":
    print_paper()
