//! The checks that the fuzz targets make; the ordinary tests of the package make them as well.

pub mod checks;
