#!/usr/bin/env python3
"""Makes src/core/rules/states.tsv: area code of North America -> states and provinces.

Source: the geocoding data of the PyPI package `phonenumbers` (Apache-2.0, generated from Google's libphonenumber).
    pip download phonenumbers==9.0.43 --no-deps && python3 tools/states.py phonenumbers-9.0.43-py2.py3-none-any.whl
Every place named under an area code counts: an area code of two states is in both.
"""
import re
import sys
import zipfile

US = """AL Alabama;AK Alaska;AZ Arizona;AR Arkansas;CA California;CO Colorado;CT Connecticut;DE Delaware;FL Florida;
GA Georgia;HI Hawaii;ID Idaho;IL Illinois;IN Indiana;IA Iowa;KS Kansas;KY Kentucky;LA Louisiana;ME Maine;MD Maryland;
MA Massachusetts;MI Michigan;MN Minnesota;MS Mississippi;MO Missouri;MT Montana;NE Nebraska;NV Nevada;NH New Hampshire;
NJ New Jersey;NM New Mexico;NY New York;NC North Carolina;ND North Dakota;OH Ohio;OK Oklahoma;OR Oregon;
PA Pennsylvania;RI Rhode Island;SC South Carolina;SD South Dakota;TN Tennessee;TX Texas;UT Utah;VT Vermont;VA Virginia;
WA Washington State;WV West Virginia;WI Wisconsin;WY Wyoming;DC Washington D.C."""
CANADA = """AB Alberta;BC British Columbia;MB Manitoba;NB New Brunswick;NL Newfoundland and Labrador;NS Nova Scotia;
NT Northwest Territories;NU Nunavut;ON Ontario;PE Prince Edward Island;QC Quebec;SK Saskatchewan;YT Yukon"""


def table(text, country):
    rows = [row.strip().split(" ", 1) for row in text.replace("\n", "").split(";")]
    codes = {code: f"{country}-{code}" for code, _ in rows}
    return codes, {name: f"{country}-{code}" for code, name in rows}


us_codes, us_names = table(US, "US")
ca_codes, ca_names = table(CANADA, "CA")
names = {**us_names, **ca_names, "Washington": "US-WA", "Washington, D.C.": "US-DC", "Québec": "CA-QC",
         "Yukon, NT, Nunavut": None}
codes = {**ca_codes, **us_codes}

wheel = sys.argv[1]
version = re.search(r"phonenumbers-([0-9.]+)-", wheel).group(1)
found, unread = {}, set()
with zipfile.ZipFile(wheel) as archive:
    for name in sorted(archive.namelist()):
        if not re.fullmatch(r"phonenumbers/geodata/data\d+\.py", name):
            continue
        scope = {"u": lambda text: text}
        exec(archive.read(name).decode().replace("from ..util import u", ""), scope)
        for prefix, places in scope["data"].items():
            if not prefix.startswith("1") or len(prefix) < 4 or "en" not in places:
                continue
            place = places["en"]
            states = set()
            place = place.replace("British Colombia", "British Columbia")
            parts = [place] if place in names else re.split(r"/|; | and (?=[A-Z])", place)
            for part in parts:
                part = part.strip()
                last = part.rsplit(", ", 1)[-1]
                code = names.get(part) or codes.get(last) or names.get(last)
                if code:
                    states.add(code)
            if not states and place in ("Yukon, NT, Nunavut", "Northwest Territories, Nunavut and Yukon"):
                states = {"CA-NT", "CA-NU", "CA-YT"}
            if not states:
                unread.add(place)
            found.setdefault(prefix[1:4], set()).update(states)
lines = [
    f"# States of North American area codes. Source: PyPI phonenumbers {version} (libphonenumber geocoding), Apache-2.0,",
    "# Copyright (C) 2011-2026 The Libphonenumber Authors. Made by tools/states.py; do not edit.",
]
lines += [f"{area}\t{' '.join(sorted(states))}" for area, states in sorted(found.items()) if states]
with open("src/core/rules/states.tsv", "w", encoding="utf-8", newline="\n") as out:
    out.write("\n".join(lines) + "\n")
print(f"{len(lines) - 2} area codes; places of no state: {sorted(unread)}")
