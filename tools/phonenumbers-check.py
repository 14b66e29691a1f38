#!/usr/bin/env python3
"""How far ahoy's reading of phone numbers agrees with Google's libphonenumber (its Python port, `phonenumbers`).

    tools/phonenumbers-check.py target/release/ahoy            200,000 spellings or more; fails on an unexplained difference
    tools/phonenumbers-check.py --golden tests/data/numbers.tsv   writes the sample that `cargo test` checks

Spellings are made from a fixed seed: national and international, with spaces, dots, dashes, brackets, `00`, extensions, digits
of other scripts, and broken ones: cut, too long, a digit changed, a plus lost.
"""
import collections
import json
import random
import subprocess
import sys

import phonenumbers
from phonenumbers import PhoneNumberFormat as Format, PhoneNumberType as Type

REGIONS = """AE AR AT AU BE BG BO BR BY CA CH CL CN CO CR CY CZ DE DK DO DZ EC EE EG ES FI FR GB GE GH GR GT HK HN HR HU ID IE IL
IN IQ IR IS IT JO JP KE KR KW KZ LB LT LU LV MA MD ME MK MT MX MY NG NI NL NO NZ OM PA PE PH PK PL PT PY QA RO RS RU SA SE SG SI
SK SV TH TN TR TW UA US UY UZ VE VN ZA""".split()
TYPES = [Type.FIXED_LINE, Type.MOBILE, Type.TOLL_FREE, Type.PREMIUM_RATE, Type.SHARED_COST, Type.VOIP, Type.UAN, Type.PERSONAL_NUMBER]
# Refused on purpose, whatever the library makes of it: docs/LEADS.md says why.
BY_RULE = {"phone_letters", "phone_date", "phone_grouped", "phone_scientific", "phone_error_cell", "phone_empty"}


def spellings(random, region, number):
    national = phonenumbers.format_number(number, Format.NATIONAL)
    international = phonenumbers.format_number(number, Format.INTERNATIONAL)
    e164 = phonenumbers.format_number(number, Format.E164)
    digits = e164[1:]
    yield from (national, international, e164, digits, national.replace(" ", ""), national.replace(" ", "-"))
    yield from (national.replace(" ", "."), "00" + digits, "'" + e164, "(" + national.replace(" ", ") ", 1), f" {international} ")
    yield from (international + " ext. 12", e164 + ";ext=7", "tel:" + e164, international.replace(" ", "\u00a0"))
    yield national.translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩"))
    yield "＋" + digits.translate(str.maketrans("0123456789", "０１２３４５６７８９"))
    yield from (e164[: random.randint(4, len(e164) - 1)], e164 + str(random.randint(0, 99)))
    at = random.randrange(2, len(e164))
    yield e164[:at] + str(random.randint(0, 9)) + e164[at + 1 :]
    national_digits = "".join(ch for ch in national if ch.isdigit())
    at = random.randrange(len(national_digits))
    yield national_digits[:at] + str(random.randint(0, 9)) + national_digits[at + 1 :]
    yield national_digits[1:]


def made(seed, least):
    source = random.Random(seed)
    per_region = -(-least // len(REGIONS))
    for region in REGIONS:
        examples = [phonenumbers.example_number_for_type(region, kind) for kind in TYPES]
        examples = [example for example in examples if example]
        seen, count = set(), 0
        while count < per_region:
            example = source.choice(examples)
            text = str(example.national_number)
            keep = source.randint(1, len(text))
            text = text[:keep] + "".join(str(source.randint(0, 9)) for _ in text[keep:])
            number = phonenumbers.PhoneNumber(
                country_code=example.country_code, national_number=int(text), italian_leading_zero=example.italian_leading_zero
            )
            for spelling in spellings(source, region, number):
                if spelling not in seen and "\n" not in spelling:
                    seen.add(spelling)
                    count += 1
                    yield region, spelling


def theirs(region, spelling):
    try:
        number = phonenumbers.parse(spelling, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    where = phonenumbers.region_code_for_number(number)
    kind = phonenumbers.number_type(number)
    return (phonenumbers.format_number(number, Format.E164), where if where and where.isalpha() else None, kind)


KINDS = {
    Type.FIXED_LINE: "fixed", Type.MOBILE: "mobile", Type.FIXED_LINE_OR_MOBILE: "fixed_or_mobile", Type.TOLL_FREE: "toll_free",
    Type.PREMIUM_RATE: "premium", Type.SHARED_COST: "shared_cost", Type.VOIP: "voip", Type.PERSONAL_NUMBER: "personal",
    Type.PAGER: "pager", Type.UAN: "company", Type.VOICEMAIL: "voicemail", Type.UNKNOWN: "unknown",
}


def golden(path):
    lines = [f"# region, spelling, E.164, country, kind; - = no number. Made by tools/phonenumbers-check.py --golden with",
             f"# phonenumbers {phonenumbers.__version__} (Apache-2.0). Spellings that ahoy refuses by rule are left out."]
    for region, spelling in made(2, 2_200):
        told = theirs(region, spelling)
        if any(ch.isalpha() for ch in spelling) and "ext" not in spelling and not spelling.startswith("tel:"):
            continue
        if told and not 8 <= len(told[0]) <= 16:
            continue
        cells = [region, spelling, *((told[0], told[1] or "-", KINDS[told[2]]) if told else ("-", "-", "-"))]
        lines.append("\t".join(cells))
    open(path, "w", encoding="utf-8").write("\n".join(lines) + "\n")


def main():
    if sys.argv[1] == "--golden":
        return golden(sys.argv[2])
    by_region = collections.defaultdict(list)
    for region, spelling in made(1, 200_000):
        by_region[region].append(spelling)
    total, valid, by_rule, unexplained = 0, 0, collections.Counter(), []
    for region, all_spellings in by_region.items():
        command = [sys.argv[1], "leads", "number", "--country", region, "--json"]
        out = subprocess.run(command, input="\n".join(all_spellings) + "\n", capture_output=True, text=True).stdout
        answers = out.splitlines()
        assert len(answers) == len(all_spellings), (region, len(answers), len(all_spellings))
        for spelling, answer in zip(all_spellings, answers):
            ours, want = json.loads(answer), theirs(region, spelling)
            total += 1
            valid += want is not None
            got = (ours["e164"], ours["country"], ours["kind"]) if "e164" in ours else None
            expected = (want[0], want[1], KINDS[want[2]]) if want else None
            if got == expected:
                continue
            if ours.get("fault") in BY_RULE:
                by_rule[ours["fault"]] += 1
            elif want and len(want[0]) > 16 and got is None:
                by_rule["more than 15 digits"] += 1
            elif want and len(want[0]) < 8 and got is None:
                by_rule["fewer than 7 digits"] += 1
            else:
                unexplained.append((region, spelling, expected, got or ours.get("fault")))
    print(f"phonenumbers {phonenumbers.__version__}: {total} spellings of {len(by_region)} regions, {valid} valid")
    print(f"refused by rule: {dict(by_rule)}")
    print(f"unexplained: {len(unexplained)}")
    for it in unexplained[:40]:
        print("  ", it)
    sys.exit(bool(unexplained))


main()
