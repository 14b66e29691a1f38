#!/usr/bin/env python3
"""Makes src/core/dial/zones.tsv: prefix of E.164 digits -> time zones.

Source: the PyPI package `phonenumbers` (Apache-2.0, generated from Google's libphonenumber).
    pip download phonenumbers==9.0.43 --no-deps && python3 tools/zones.py phonenumbers-9.0.43-py2.py3-none-any.whl
A zone list that repeats that of its longest shorter prefix is left out: the longest match finds the same.
"""
import re
import sys
import zipfile

wheel = sys.argv[1]
version = re.search(r"phonenumbers-([0-9.]+)-", wheel).group(1)
with zipfile.ZipFile(wheel) as archive:
    text = archive.read("phonenumbers/tzdata/data0.py").decode()
scope = {"u": lambda text: text}
exec(text.replace("from ..util import u", ""), scope)
data = scope["data"] if "data" in scope else scope["_LOCALE_DATA"]


def shorter(prefix):
    for end in range(len(prefix) - 1, 0, -1):
        if prefix[:end] in data:
            return data[prefix[:end]]
    return None


lines = [
    f"# Time zones of phone numbers by prefix. Source: PyPI phonenumbers {version} (libphonenumber), Apache-2.0,",
    "# Copyright (C) 2011-2026 The Libphonenumber Authors. Made by tools/zones.py; do not edit.",
]
kept = 0
for prefix in sorted(data):
    if shorter(prefix) == data[prefix]:
        continue
    kept += 1
    lines.append(prefix + "\t" + " ".join(data[prefix]))
with open("src/core/dial/zones.tsv", "w", encoding="utf-8", newline="\n") as out:
    out.write("\n".join(lines) + "\n")
print(f"{kept} of {len(data)} prefixes kept, longest {max(map(len, data))}")
