"""What a language model is told about the Python of each sandbox. A test runs every claim."""

from __future__ import annotations

MONTY_PYTHON = """\
The code runs in a subset of Python. There are functions (nested, recursive to about 900 calls, with decorators, default \
and keyword arguments), lambdas, comprehensions and generator expressions, f-strings, unpacking, `:=`, `match`, `with`, \
`try`/`except`/`finally`, and simple classes and dataclasses (methods and operators, but no inheritance, no properties, \
no class or static methods). There is no `yield`, no `del` (use `d.pop(key)`), no `except*`, no `type` statement. To be \
imported there are math, re, json, itertools, functools, collections, bisect, random, datetime, copy, dataclasses, typing, \
decimal, unicodedata, hashlib and base64; there are no numpy, statistics, string, heapq, operator, enum, fractions or \
textwrap. Exceptions cannot be defined: raise ValueError and its like. There are no files, network, environment or \
processes. The value of the last line is the result if that line is an expression; it has to be made of numbers, text, \
lists, tuples, sets and dicts. What is printed is returned too. Names are kept from one run to the next; a run that passes \
its limit of time, memory, output or calls loses them all."""

BUBBLEWRAP_PYTHON = """\
The code runs in CPython with its standard library and numpy (`import numpy as np`), in one process and one thread: no \
processes, threads, sockets or files to write can be made, and no files of the machine are there. There is no torch, scipy \
or pandas. The value of the last line is the result if that line is an expression; it has to be made of numbers, text, \
lists, tuples, sets, dicts and numpy arrays (which become lists). What is printed is returned too. Names are kept from one \
run to the next; a run that passes its limit of time, memory, output or calls loses them all."""
