"""What holds for every test."""

import signal

# A shell starts background jobs with Ctrl-C ignored, and every child inherits that: tests that press it would
# fail for the way they were started. With a handler of its own a process gives its children the default.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
