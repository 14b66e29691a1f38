#!/usr/bin/env python3
"""Recorded words and recorded sounds without words, from Debian packages (bookworm), for the figures of docs/VAD.md.

    python3 tools/ear-recordings.py FOLDER          needs apt-get, dpkg-deb, sox; fetches about 1 GB

FOLDER/words/tune and kept: a folder for each language, a WAV for each word; no speaker is in both. FOLDER/sounds/tune
and kept: music-*.wav and sounds-*.wav. Licences are those of the packages (CC-BY-SA, CC-BY, GPL): nothing of them is
in this repository, and the weights of the ear hold no recording.
"""

import array
import glob
import os
import random
import subprocess
import sys
import wave

PACKAGES = """asterisk-core-sounds-en-wav asterisk-core-sounds-es-wav asterisk-core-sounds-fr-wav
asterisk-core-sounds-it-wav asterisk-core-sounds-ru-wav asterisk-prompt-it-menardi-wav asterisk-prompt-fr-armelle
asterisk-prompt-es-co klettres-data ktuberling-data asterisk-moh-opsound-wav sound-theme-freedesktop wesnoth-1.16-data
supertux-data frozen-bubble-data hydrogen-drumkits extremetuxracer-data pingus-data""".split()

# part, language, speaker, folder below /usr/share
WORDS = [
    (part, language, speaker, f"asterisk/sounds/{folder}{below}")
    for below in ("", "/digits", "/letters", "/phonetic")
    for part, language, speaker, folder in [
        ("tune", "en", "allison", "en_US_f_Allison"), ("tune", "es", "allison", "es_MX_f_Allison"),
        ("tune", "fr", "june", "fr_CA_f_June"), ("kept", "it", "carlo", "it_IT_m_Carlo"),
        ("kept", "it", "menardi", "it_IT_f_Menardi"), ("kept", "ru", "ivrvoice", "ru_RU_f_IvrvoiceRU"),
        ("kept", "fr", "armelle", "fr"), ("kept", "es", "coleman", "es"),
    ]
]
WORDS += [("tune", it, "ktub", f"ktuberling/sounds/{it}") for it in "en fr da lt el".split()]
WORDS += [("kept", it, "ktub", f"ktuberling/sounds/{it}") for it in "de ca uk nn wa sl gl ru sr sv nds".split()]
WORDS += [("tune", it, "klet", f"klettres/{it}/alpha") for it in "cs nb es nl pt_BR".split()]
WORDS += [("kept", it, "klet", f"klettres/{it}/alpha") for it in "de it hu he da en_GB".split()]

# Names of sounds that people or animals make: they are no noise.
VOICES = """human male hit die orc troll dwarf groan voice laugh scream yeti ogre goblin wose lizard drake ghost zombie
cackle wail choir vocal speak hiss growl howl cat dog bird woman man elf gryphon""".split()


def sox(source, rate, seconds=None):
    trim = ["trim", "0", str(seconds)] if seconds else []
    command = ["sox", "-V1", source, "-c", "1", "-r", str(rate), "-b", "16", "-t", "raw", "-", *trim]
    return array.array("h", subprocess.run(command, capture_output=True, check=False).stdout)


def write(path, samples, rate):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with wave.open(path, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())


def fetch(folder):
    os.makedirs(folder, exist_ok=True)
    subprocess.run(["apt-get", "download", *PACKAGES], cwd=folder, check=True)
    for package in glob.glob(os.path.join(folder, "*.deb")):
        subprocess.run(["dpkg-deb", "-x", package, os.path.join(folder, "root")], check=True)
    return os.path.join(folder, "root/usr/share")


def words(share, target):
    for part, language, speaker, folder in WORDS:
        files = sorted(glob.glob(f"{share}/{folder}/*.wav")) + sorted(glob.glob(f"{share}/{folder}/*.ogg"))
        for file in files:
            name = os.path.splitext(os.path.basename(file))[0]
            samples = sox(file, 16_000)
            if samples:
                write(f"{target}/{part}/{language}/{speaker}-{name}.wav", samples, 16_000)


def levelled(samples):
    loudest = max((abs(it) for it in samples), default=0) or 1
    gain = 10 ** (random.uniform(-22, -6) / 20) * 32_767 / loudest
    return array.array("h", [int(it * gain) for it in samples])


def music(target, name, files, part):
    for nth, file in enumerate(files):
        write(f"{target}/{part}/music-{name}-{nth}.wav", levelled(sox(file, 8_000, 50)), 8_000)


def joined(target, name, files, part):
    line, nth = array.array("h"), 0
    for file in files:
        line.extend(levelled(sox(file, 8_000, 6)))
        line.extend(array.array("h", [0] * random.randint(4_000, 14_000)))
        if len(line) > 60 * 8_000:
            write(f"{target}/{part}/sounds-{name}-{nth}.wav", line, 8_000)
            line, nth = array.array("h"), nth + 1
    if len(line) > 5 * 8_000:
        write(f"{target}/{part}/sounds-{name}-{nth}.wav", line, 8_000)


def sounds(share, target):
    random.seed(5)
    every = lambda folder: sorted(it for it in glob.glob(f"{share}/**/{folder}/**/*.*", recursive=True)
                                  if it.endswith((".ogg", ".wav", ".flac")))
    plain = lambda file: not any(it in os.path.basename(file).lower() for it in VOICES)
    hold = sorted(glob.glob(f"{share}/asterisk/moh/*.wav"))
    music(target, "hold", hold[0::2], "tune")
    music(target, "hold", hold[1::2], "kept")
    battle = [it for it in every("wesnoth") if "/ambient/" in it or plain(it)]
    jumps, tunes = [it for it in every("supertux2/sounds") if plain(it)], every("supertux2/music")
    drums = every("hydrogen")
    for files in (battle, jumps, tunes, drums):
        random.shuffle(files)
    for name, files in [("battle", battle[:180]), ("drums", drums[:200]), ("jumps", jumps)]:
        joined(target, name, files[0::2], "tune")
        joined(target, name, files[1::2], "kept")
    music(target, "jumps", tunes[:14], "tune")
    music(target, "ice", every("extremetuxracer")[:8] or every("etr")[:8], "kept")
    bubbles = every("frozen-bubble")
    large = lambda it: os.path.getsize(it) > 300_000
    music(target, "bubbles", [it for it in bubbles if large(it)][:8], "kept")
    joined(target, "bubbles", [it for it in bubbles if not large(it)] + every("pingus"), "kept")
    desk = [it for it in sorted(glob.glob(f"{share}/sounds/freedesktop/stereo/*.oga")) if "audio-channel" not in it]
    joined(target, "desk", desk[0::2], "tune")
    joined(target, "desk", desk[1::2], "kept")


def main():
    folder = sys.argv[1]
    share = fetch(os.path.join(folder, "packages"))
    words(share, os.path.join(folder, "words"))
    sounds(share, os.path.join(folder, "sounds"))


main()
