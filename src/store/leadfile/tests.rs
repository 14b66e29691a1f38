use std::io::Read;

use super::text::Text;
use super::*;

fn saved(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).expect("written");
    (dir, path)
}

fn rows_of(mut file: LeadFile) -> Result<(Vec<String>, Vec<Row>), LeadFault> {
    let mut rows = Vec::new();
    while let Some(row) = file.next_row()? {
        rows.push(row);
    }
    Ok((file.header().to_vec(), rows))
}

fn read(bytes: &[u8]) -> Result<(Vec<String>, Vec<Row>), LeadFault> {
    let (_dir, path) = saved("leads.csv", bytes);
    rows_of(LeadFile::open(&path)?)
}

fn row(line: u64, fields: &[&str]) -> Row {
    Row { line, fields: fields.iter().map(|field| (*field).to_owned()).collect() }
}

#[test]
fn the_separator_and_the_byte_order_mark_are_found_not_asked_for() {
    for separator in [",", ";", "\t", "|"] {
        let text = format!("\u{feff}phone{separator}\"name, first; last|x\"\r\n+1{separator}Ана\r\n+2{separator}\r\n");
        let (header, rows) = read(text.as_bytes()).expect("readable");
        assert_eq!(header, ["phone", "name, first; last|x"], "{separator:?}");
        assert_eq!(rows, [row(2, &["+1", "Ана"]), row(3, &["+2", ""])]);
    }
    assert_eq!(read(b"phone\n+1\n").expect("one column").1, [row(2, &["+1"])]);
}

#[test]
fn quoted_newlines_keep_the_line_numbers_right() {
    let (_, rows) = read(b"phone,note\n+1,\"two\nlines\"\n\n+2,x,extra\n").expect("readable");
    assert_eq!(rows, [row(2, &["+1", "two\nlines"]), row(5, &["+2", "x", "extra"])]);
    let (_, rows) = read(b"phone,note\r\n\r\n+1,\"two\r\nlines\"\r\n+2,x").expect("readable");
    assert_eq!(rows, [row(3, &["+1", "two\nlines"]), row(5, &["+2", "x"])], "Windows, no end at the end");
    let (_, rows) = read(b"phone,note\r+1,a\r\r+2,x").expect("readable");
    assert_eq!(rows, [row(2, &["+1", "a"]), row(4, &["+2", "x"])], "old Macs");
    let (_, rows) = read(b"phone,note\n+1,\"\n\n\nx\"\n;;\n,,\n+2,y,,\n").expect("readable");
    assert_eq!(rows, [row(2, &["+1", "\n\n\nx"]), row(6, &[";;"]), row(8, &["+2", "y"])], "blank rows are no rows");
}

#[test]
fn encodings_are_told_apart_by_their_bytes_and_shown() {
    let text = "телефон;име;град\r\n+359888123456;Ана Петрова;София\r\n+359888123457;Щерю Цветков;Ямбол\r\n";
    let latin = "téléphone;nom\r\n+33123456789;Zoé Lefèvre-Gîtenoire\r\n";
    let wide = |text: &str, big: bool, mark: bool| -> Vec<u8> {
        let mark = if mark { "\u{feff}" } else { "" };
        let units = format!("{mark}{text}").encode_utf16().collect::<Vec<u16>>();
        units.into_iter().flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    };
    let single = |label: &[u8], text: &str| {
        let encoding = encoding_rs::Encoding::for_label(label).expect("known");
        encoding.encode(text).0.into_owned()
    };
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("utf-8", text.as_bytes().to_vec(), text),
        ("utf-8", format!("\u{feff}{text}").into_bytes(), text),
        ("utf-16le", wide(text, false, true), text),
        ("utf-16be", wide(text, true, true), text),
        ("utf-16le", wide(latin, false, false), latin),
        ("utf-16be", wide(latin, true, false), latin),
        ("windows-1251", single(b"windows-1251", text), text),
        ("windows-1252", single(b"windows-1252", latin), latin),
    ];
    for (name, bytes, text) in cases {
        let (_dir, path) = saved("leads.csv", &bytes);
        let file = LeadFile::open(&path).expect(name);
        assert_eq!(file.shape().encoding, name);
        let again = LeadFile::open_as(&path, &file.shape().fixed(&ReadOptions::default())).expect(name);
        let (header, rows) = rows_of(file).expect(name);
        let expected: Vec<Vec<String>> =
            text.lines().map(|line| line.split(';').map(str::to_owned).collect()).collect();
        assert_eq!(header, expected[0], "{name}");
        assert_eq!(rows.iter().map(|row| row.fields.clone()).collect::<Vec<_>>(), expected[1..], "{name}");
        assert_eq!(rows_of(again).expect(name).1, rows, "{name}, as it was found");
    }
    let hebrew = single(b"windows-1255", "טלפון,שם\n+97221234567,נועם אלמוג\n+97221234568,יעל ברקת\n");
    let (_dir, path) = saved("leads.csv", &hebrew);
    let options = ReadOptions { encoding: Some("windows-1255".to_owned()), ..ReadOptions::default() };
    assert_eq!(rows_of(LeadFile::open_as(&path, &options).expect("named")).expect("read").1[1].fields[1], "יעל ברקת");
}

#[test]
fn a_preamble_is_skipped_and_a_file_without_a_header_is_read_by_column_numbers() {
    let text = "Export of 2026-11-20\n\nCRM \"Harbour\";;\nName;Telefon;Ort\nAna;+359888123456;Sofia\n";
    let (header, rows) = read(text.as_bytes()).expect("readable");
    assert_eq!(header, ["Name", "Telefon", "Ort"]);
    assert_eq!(rows, [row(5, &["Ana", "+359888123456", "Sofia"])]);
    let (_dir, path) = saved("leads.csv", b"+359888123456,Ana\n+359888123457,Bo\n");
    let options = ReadOptions { no_header: true, ..ReadOptions::default() };
    let (header, rows) = rows_of(LeadFile::open_as(&path, &options).expect("open")).expect("read");
    assert_eq!((header, rows.len(), rows[0].line), (vec!["1".to_owned(), "2".to_owned()], 2, 1));
    let options = ReadOptions { header_line: Some(2), ..ReadOptions::default() };
    let (header, rows) = rows_of(LeadFile::open_as(&path, &options).expect("open")).expect("read");
    assert_eq!((header[1].as_str(), rows.len()), ("Bo", 0));
    let options = ReadOptions { header_line: Some(9), ..ReadOptions::default() };
    assert!(matches!(LeadFile::open_as(&path, &options), Err(LeadFault::NoHeaderLine { line: 9, .. })));
}

#[test]
fn what_is_no_text_is_refused_with_its_line() {
    let line_of = |bytes: &[u8]| match read(bytes) {
        Err(LeadFault::NotText { line, .. }) => line,
        other => panic!("{other:?}"),
    };
    assert_eq!(line_of(b"phone,name\n+1,a\0b\n"), 2);
    let broken: Vec<u8> =
        "phone,name\n+1,x\n+2,".encode_utf16().flat_map(u16::to_le_bytes).chain([0x00, 0xd8, 0x20, 0x00]).collect();
    assert_eq!(line_of(&broken), 3, "half a character of UTF-16");
    let (_dir, path) = saved("leads.csv", b"phone,name\n+1,a\n+2,\xc0\xee\n");
    let options = ReadOptions { encoding: Some("utf-8".to_owned()), ..ReadOptions::default() };
    let fault = LeadFile::open_as(&path, &options).and_then(rows_of).expect_err("not UTF-8");
    assert!(matches!(fault, LeadFault::NotText { line: 3, .. }), "{fault}");
    let options = ReadOptions { encoding: Some("klingon".to_owned()), ..ReadOptions::default() };
    assert!(matches!(LeadFile::open_as(&path, &options), Err(LeadFault::Encoding { .. })));
    assert!(matches!(read(b""), Err(LeadFault::Empty { .. })));
    for (name, bytes) in
        [("old.xls", &b"\xd0\xcf\x11\xe0\xa1\xb1"[..]), ("a.pdf", b"%PDF-1.7"), ("x.xlsx", b"PK\x03\x04junk")]
    {
        let (_dir, path) = saved(name, bytes);
        assert!(matches!(LeadFile::open(&path), Err(LeadFault::Workbook { .. })), "{name}");
    }
}

#[test]
fn a_quote_that_is_never_closed_is_found_in_constant_memory_with_its_place() {
    let mut text = b"phone,name\n+1,a\n+2,\"".to_vec();
    text.resize(20 << 20, b'x');
    match read(&text) {
        Err(LeadFault::TooLong { line: 3, offset: 16, what: "record", .. }) => {}
        other => panic!("{:?}", other.map(|_| ())),
    }
    let mut text = b"phone,name\r\n+1,".to_vec();
    text.resize(200 << 10, b'x');
    assert!(matches!(read(&text), Err(LeadFault::TooLong { line: 2, offset: 12, what: "field", .. })));
}

/// Gives its bytes in pieces of a size, as a slow disk or a pipe would.
struct Slow<'a>(&'a [u8], usize);

impl Read for Slow<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let take = self.1.min(into.len()).min(self.0.len());
        into[..take].copy_from_slice(&self.0[..take]);
        self.0 = &self.0[take..];
        Ok(take)
    }
}

#[test]
fn any_chunking_of_the_bytes_reads_the_same_rows() {
    let mut random = fastrand::Rng::with_seed(5);
    let alphabet: Vec<&str> = vec!["a", "Ж", "𝄞", "\"", "\"\"", ",", "\n", "\r\n", "\r", "x y", "", ";", "'"];
    for round in 0..150 {
        let text: String = (0..random.usize(1..80)).map(|_| alphabet[random.usize(..alphabet.len())]).collect();
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (bytes, encoding) in [(text.as_bytes(), encoding_rs::UTF_8), (wide.as_slice(), encoding_rs::UTF_16LE)] {
            let read = |size: usize| {
                let mut reader = Text::new(Slow(bytes, size), "x".to_owned(), encoding, b',', 0);
                let mut rows = Vec::new();
                let mut row = Row::default();
                while reader.next_into(&mut row).expect("text") {
                    rows.push(row.clone());
                }
                rows
            };
            let whole = read(1 << 20);
            assert_eq!(read(1), whole, "{round}: {text:?}");
            assert_eq!(read(7), whole, "{round}: {text:?}");
            // Each row's line is where the text has it.
            let lines: Vec<&str> = text.split('\n').flat_map(|line| line.split('\r')).collect();
            assert!(whole.iter().all(|row| row.line as usize <= lines.len()), "{round}: {text:?}");
            assert!(whole.windows(2).all(|pair| pair[0].line < pair[1].line), "{round}: {text:?}");
        }
    }
}

#[test]
fn rows_that_are_written_are_read_back_as_they_were() {
    let mut random = fastrand::Rng::with_seed(9);
    let cells = ["", "Ana", "=1+1", "'=x", "a,b;c|d\te", "say \"x\"", "two\nlines", "+359", "'quoted", "Ж𝄞"];
    for format in [LeadFormat::Csv, LeadFormat::Workbook] {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join(if format == LeadFormat::Csv { "x.csv" } else { "x.xlsx" });
        let header = vec!["phone".to_owned(), "name".to_owned(), "note".to_owned()];
        let mut writer = LeadWriter::open(format, Some(&path), header.clone()).expect("opens");
        let rows: Vec<Vec<String>> = (0..200)
            .map(|at| {
                let pick = |random: &mut fastrand::Rng| cells[random.usize(..cells.len())].to_owned();
                vec![format!("+3598881{at:05}"), pick(&mut random), pick(&mut random)]
            })
            .collect();
        rows.iter().for_each(|row| writer.row(row).expect("written"));
        assert_eq!(writer.finish(Some(&path)).expect("whole"), 200);
        let (found, back) = rows_of(LeadFile::open(&path).expect("opens")).expect("read");
        assert_eq!(found, header);
        let plain =
            |cell: &String| if format == LeadFormat::Csv { crate::core::lead::cell::plain(cell) } else { cell.clone() };
        let back: Vec<Vec<String>> = back.iter().map(|row| row.fields.iter().map(plain).collect()).collect();
        assert_eq!(back, rows, "{format:?}");
    }
}

/// The same table as a Python library and LibreOffice write it (`tools/make-sheets.py` made the files).
#[test]
fn spreadsheets_of_a_python_library_and_of_libreoffice_are_read_alike() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/sheets");
    for name in ["openpyxl.xlsx", "libreoffice.xlsx", "libreoffice.csv"] {
        let options = ReadOptions { country: "BG".parse().ok(), ..ReadOptions::default() };
        let file = LeadFile::open_as(&folder.join(name), &options).expect(name);
        let shape = file.shape().clone();
        let (encoding, sheet) = match name {
            "libreoffice.csv" => ("windows-1251", None),
            _ => ("workbook", Some("Хора")),
        };
        assert_eq!(
            (shape.encoding.as_str(), shape.sheet.as_deref(), shape.header_line),
            (encoding, sheet, 3),
            "{name}"
        );
        let (header, rows) = rows_of(file).expect(name);
        assert_eq!(header, ["Име", "Телефон", "Държава", "Етикети", "Дата", "Бележка"], "{name}");
        let columns = Columns::read(&header, &[]).expect(name);
        let told: Vec<String> = rows
            .iter()
            .map(|row| {
                let fields: Vec<&str> = row.fields.iter().map(String::as_str).collect();
                match crate::core::lead::read_row(&columns, row.line, &fields, None) {
                    Ok(lead) => format!("{} {} {:?}", row.line, lead.phone.expose(), lead.tags),
                    Err(fault) => format!("{} {}", row.line, fault.kind()),
                }
            })
            .collect();
        let expected = [
            "4 +359888123456 [\"vip\", \"нов\"]",
            "5 +359888123457 []",
            "6 +359888123458 []",
            "7 phone_date",
            "8 phone_scientific",
            "10 +359888123459 []",
        ];
        assert_eq!(told, expected, "{name}");
        assert_eq!(rows[5].fields[5], "two\nlines; \"said\"", "{name}");
        assert_eq!(rows[0].fields[5], "=1+1 is text", "{name}");
    }
}
