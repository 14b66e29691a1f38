//! CSV row → `Lead` or `RowFault`; duplicate rules.
