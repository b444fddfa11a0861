"""The standard modules whose documentation is the demo's site.

All exist on Python 3.11 to 3.14 on Linux and macOS. None acts when it is imported (`antigravity`
opens a browser, `this` prints) or shows the environment or paths of whoever runs the demo (`os`,
`posix`, `sys`, `site`). A module that a build of Python lacks costs only its page.
"""

from __future__ import annotations

MODULES: tuple[str, ...] = tuple(
    """
    abc argparse array ast asyncio asyncio.events asyncio.locks asyncio.queues asyncio.runners
    asyncio.streams asyncio.tasks atexit base64 bdb binascii bisect builtins bz2 cProfile calendar
    cmath cmd code codecs codeop collections collections.abc colorsys compileall concurrent
    concurrent.futures configparser contextlib contextvars copy copyreg csv ctypes dataclasses
    datetime dbm decimal difflib dis doctest email email.generator email.header email.message
    email.parser email.policy email.utils enum errno faulthandler fcntl filecmp fileinput fnmatch
    fractions ftplib functools gc getopt getpass gettext glob graphlib grp gzip hashlib heapq hmac
    html html.parser http http.client http.cookiejar http.cookies http.server imaplib importlib
    importlib.machinery importlib.metadata importlib.resources importlib.util inspect io ipaddress
    itertools json json.decoder json.encoder keyword linecache locale logging logging.config
    logging.handlers lzma mailbox marshal math mimetypes mmap modulefinder multiprocessing
    multiprocessing.connection multiprocessing.managers multiprocessing.pool netrc ntpath numbers
    operator optparse pathlib pdb pickle pickletools pkgutil platform plistlib poplib posixpath
    pprint profile pstats pty pwd py_compile pydoc queue quopri random re reprlib resource runpy
    sched secrets select selectors shelve shlex shutil signal smtplib socket socketserver sqlite3
    ssl stat statistics string struct subprocess syslog tarfile tempfile termios textwrap threading
    time timeit token tokenize tomllib trace traceback tracemalloc tty types typing unicodedata
    unittest unittest.case unittest.mock urllib urllib.error urllib.parse urllib.request
    urllib.robotparser uuid warnings wave weakref webbrowser wsgiref xml xml.dom xml.dom.minidom
    xml.etree xml.etree.ElementTree xml.sax xmlrpc xmlrpc.client zipfile zipimport zlib zoneinfo
    """.split()  # noqa: SIM905 (200 words are easier to read without their quotes)
)
