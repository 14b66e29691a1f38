//! A row of somebody's list of numbers → the number. Such files have no common form: a column with a known name, bare
//! numbers without a header, or area code and number apart.

use crate::base::phone::PhoneFault;
use crate::base::{Country, Phone};

use super::columns::{Columns, Field};

/// Where the number stands in the rows of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NumberPlace {
    /// In this column; the first row is a header.
    Column(usize),
    /// In the first field; the first row is a number already.
    First,
    /// In the first two fields, area code and number; the first row is a number already.
    AreaAndNumber,
}

impl NumberPlace {
    /// Finds it by the first row of the file; `None` if that row names no phone column and holds no number.
    pub fn find(first: &[String], country: Option<Country>) -> Option<NumberPlace> {
        if let Ok(columns) = Columns::read(first, &[])
            && let Some(at) = columns.place(Field::Phone)
        {
            return Some(NumberPlace::Column(at));
        }
        [NumberPlace::AreaAndNumber, NumberPlace::First].into_iter().find(|place| place.read(first, country).is_ok())
    }

    /// Whether the first row is a number and not a header.
    pub fn first_row_counts(&self) -> bool {
        match self {
            NumberPlace::Column(_) => false,
            NumberPlace::First | NumberPlace::AreaAndNumber => true,
        }
    }

    /// The number of a row.
    pub fn read(&self, fields: &[String], country: Option<Country>) -> Result<Phone, PhoneFault> {
        let text = |at: usize| fields.get(at).map_or("", |field| field.trim());
        match self {
            NumberPlace::Column(at) => Phone::parse(text(*at), country),
            NumberPlace::First => Phone::parse(text(0), country),
            NumberPlace::AreaAndNumber => {
                let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
                if fields.len() < 2 || !digits(text(0)) || !digits(text(1)) {
                    return Err(PhoneFault::Unreadable);
                }
                Phone::parse(&format!("{}{}", text(0), text(1)), country)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(fields: &[&str]) -> Vec<String> {
        fields.iter().map(|field| (*field).to_owned()).collect()
    }

    #[test]
    fn a_list_says_by_its_first_row_where_the_number_stands() {
        let us: Option<Country> = "US".parse().ok();
        let find = |fields: &[&str]| NumberPlace::find(&row(fields), us);
        assert_eq!(find(&["name", "phone"]), Some(NumberPlace::Column(1)));
        assert_eq!(find(&["2125550123"]), Some(NumberPlace::First));
        assert_eq!(find(&["212", "5550123"]), Some(NumberPlace::AreaAndNumber), "as the American registry gives it");
        assert_eq!(find(&["+359888123456"]), Some(NumberPlace::First));
        assert_eq!(find(&["customer", "since"]), None);
    }

    #[test]
    fn area_code_and_number_are_one_number() {
        let us: Option<Country> = "US".parse().ok();
        let phone = NumberPlace::AreaAndNumber.read(&row(&["212", "5550123"]), us).expect("a number");
        assert_eq!(phone, Phone::parse("+12125550123", None).expect("a number"));
        assert!(NumberPlace::AreaAndNumber.read(&row(&["212"]), us).is_err());
    }
}
