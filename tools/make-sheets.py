#!/usr/bin/env python3
"""Makes the spreadsheets in tests/data/sheets: one by a Python library (openpyxl), two by LibreOffice.

They are committed, since `cargo test` may need nothing but Rust. Run it only to make them anew: it needs openpyxl and
`soffice` on the path. The numbers are made up.
"""
import datetime
import pathlib
import shutil
import subprocess
import tempfile

import openpyxl

OUT = pathlib.Path(__file__).parent.parent / "tests/data/sheets"
ROWS = [
    ["Export of the CRM"],
    [],
    ["Име", "Телефон", "Държава", "Етикети", "Дата", "Бележка"],
    ["Ана", "+359 888 123 456", "BG", "vip, нов", datetime.date(2026, 1, 2), "=1+1 is text"],
    ["Бо", 888123457, "BG", "", datetime.date(2026, 1, 3), "a number without its zero"],
    ["Вера", 359888123458, "BG", "", None, "a number with its country"],
    ["Георги", datetime.date(1990, 5, 12), "BG", "", None, "a date where a number should be"],
    ["Дора", 3.59889e20, "BG", "", None, "too long a number"],
    ["", "", "", "", "", ""],
    ["Емил", "0888123459", "България", "", None, "two\nlines; \"said\""],
]


def with_openpyxl(path):
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Хора"
    for row in ROWS:
        sheet.append(row)
    sheet["F4"].data_type = "s"
    book.create_sheet("Други").append(["nothing here"])
    book.save(path)


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    with_openpyxl(OUT / "openpyxl.xlsx")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        source = folder / "libreoffice.xlsx"
        shutil.copy(OUT / "openpyxl.xlsx", source)
        office = ["soffice", "--headless", f"-env:UserInstallation=file://{folder}/profile", "--convert-to"]
        # To an OpenDocument sheet and back, so that every byte of the workbook is LibreOffice's own.
        subprocess.run([*office, "ods", "--outdir", str(folder), str(source)], check=True)
        source.unlink()
        subprocess.run([*office, "xlsx", "--outdir", str(OUT), str(folder / "libreoffice.ods")], check=True)
        # Semicolons, Windows-1251 (59 the semicolon, 34 the quote, 34 the character set, by LibreOffice's numbers).
        kind = "csv:Text - txt - csv (StarCalc):59,34,34"
        subprocess.run([*office, kind, "--outdir", str(OUT), str(folder / "libreoffice.ods")], check=True)


main()
