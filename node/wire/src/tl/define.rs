//! The macros of the constructor table: one definition per constructor gives the Rust type, its codec, its declaration
//! and its row in the table.
//!
//! ```text
//! constructors! {
//!     /// What it is.
//!     struct ClientRunQueryEx = 0xf54c_b74b "client.runQueryEx" => "client.QueryAnswerEx" {
//!         query: Vec<u8>,                      // fields before the flags; the Rust type gives the TL type
//!         ...
//!         #flags reserving 1 for 3 {            // `flags:#`; bit 1 exists from protocol version 3 on: refused by name
//!             enable_debug if bit 0: bool,     // `flags.0?Bool`, in Rust an `Option<bool>`
//!             ...                              // fields after the flags, optional or not
//!         }
//!     }
//! }
//! ```
//!
//! An id that is written in the declaration is marked `explicit`. Field names are those of the scheme, because implicit
//! ids are checksums over them.

/// Defines the constructors of one file and `CONSTRUCTORS`, their rows in the table.
macro_rules! constructors {
    ($(
        $(#[$attribute:meta])*
        struct $name:ident = $id:literal $($explicit:ident)? $tl_name:literal => $result:literal {
            $( $(#[$field_attribute:meta])* $field:ident : $type:ty, )*
            $( #flags $(reserving $later_bit:literal for $later_protocol:literal)? {
                $( $(#[$flagged_attribute:meta])* $flagged:ident $(if bit $bit:literal)? : $flagged_type:ty, )*
            } )?
        }
    )*) => {
        $(
            $(#[$attribute])*
            #[derive(Clone, Debug, PartialEq, Eq)]
            pub struct $name {
                $( $(#[$field_attribute])* pub $field: $type, )*
                $( $( $(#[$flagged_attribute])* pub $flagged: $crate::tl::define::constructors!(@type $flagged_type $(, $bit)?), )* )?
            }

            impl $crate::tl::TlObject for $name {
                const ID: u32 = $id;
                const NAME: &'static str = $tl_name;
                const MIN_BARE_LEN: usize = 0
                    $( + <$type as $crate::tl::field::Field>::MIN_LEN )*
                    $( + 4 $( + $crate::tl::define::constructors!(@min_len $flagged_type $(, $bit)?) )* )?;

                fn bare_len(&self) -> usize {
                    0 $( + $crate::tl::field::Field::encoded_len(&self.$field) )*
                        $( + 4 $( + $crate::tl::define::constructors!(@len self.$flagged $(, $bit)?) )* )?
                }

                #[allow(unused_variables, reason = "a constructor without fields writes nothing")]
                fn write_bare(&self, writer: &mut $crate::tl::Writer) {
                    $( $crate::tl::field::Field::write(&self.$field, writer); )*
                    $(
                        writer.id(0 $( $( | u32::from(self.$flagged.is_some()) << $bit )? )*);
                        $( $crate::tl::define::constructors!(@write writer, self.$flagged $(, $bit)?); )*
                    )?
                }

                #[allow(unused_variables, reason = "a constructor without fields reads nothing")]
                fn read_bare(reader: &mut $crate::tl::Reader<'_>) -> Result<Self, $crate::tl::DecodeError> {
                    $( let $field = $crate::tl::field::Field::read(reader)?; )*
                    $(
                        let flags = reader.id()?;
                        $(
                            if flags & (1 << $later_bit) != 0 {
                                return Err($crate::tl::DecodeError::FlagOfLaterProtocol {
                                    constructor: $tl_name,
                                    bit: $later_bit,
                                    protocol: $later_protocol,
                                });
                            }
                        )?
                        if flags & !(0 $( $( | 1 << $bit )? )*) != 0 {
                            return Err($crate::tl::DecodeError::UndefinedFlags { constructor: $tl_name, flags });
                        }
                        $( let $flagged = $crate::tl::define::constructors!(@read reader, flags $(, $bit)?); )*
                    )?
                    Ok(Self { $( $field, )* $( $( $flagged, )* )? })
                }
            }

            impl $name {
                fn declaration() -> String {
                    #[allow(unused_mut, reason = "a constructor without fields appends nothing")]
                    let mut declaration = String::from($tl_name);
                    $( <$type as $crate::tl::field::Field>::declare(stringify!($field), "", &mut declaration); )*
                    $(
                        declaration.push_str(" flags:#");
                        $( <$flagged_type as $crate::tl::field::Field>::declare(
                            stringify!($flagged),
                            concat!($("flags.", $bit, "?")?),
                            &mut declaration,
                        ); )*
                    )?
                    declaration + " = " + $result
                }
            }

            #[cfg(test)]
            impl proptest::arbitrary::Arbitrary for $name {
                type Parameters = ();
                type Strategy = proptest::strategy::BoxedStrategy<Self>;

                fn arbitrary_with((): ()) -> Self::Strategy {
                    use proptest::strategy::Strategy as _;
                    proptest::arbitrary::any::<(
                        $( $type, )*
                        $( $( $crate::tl::define::constructors!(@type $flagged_type $(, $bit)?), )* )?
                    )>()
                    .prop_map(|($( $field, )* $( $( $flagged, )* )?)| Self { $( $field, )* $( $( $flagged, )* )? })
                    .boxed()
                }
            }
        )*

        pub(crate) const CONSTRUCTORS: &[$crate::tl::Constructor] = &[$(
            $crate::tl::Constructor {
                id: $id,
                name: $tl_name,
                is_explicit: $crate::tl::define::constructors!(@is_explicit $($explicit)?),
                declare: $name::declaration,
                recode: |bytes| <$name as $crate::tl::Boxed>::decode(bytes).map(|object| $crate::tl::Boxed::encode(&object)),
                #[cfg(test)]
                check_round_trip: $crate::objects::round_trip::check::<$name>,
            },
        )*];
    };

    (@is_explicit) => { false };
    (@is_explicit explicit) => { true };

    (@type $type:ty) => { $type };
    (@type $type:ty, $bit:literal) => { Option<$type> };

    (@min_len $type:ty) => { <$type as $crate::tl::field::Field>::MIN_LEN };
    (@min_len $type:ty, $bit:literal) => { 0 };

    (@len $value:expr) => { $crate::tl::field::Field::encoded_len(&$value) };
    (@len $value:expr, $bit:literal) => { $value.as_ref().map_or(0, $crate::tl::field::Field::encoded_len) };

    (@write $writer:ident, $value:expr) => { $crate::tl::field::Field::write(&$value, $writer) };
    (@write $writer:ident, $value:expr, $bit:literal) => {
        if let Some(value) = &$value {
            $crate::tl::field::Field::write(value, $writer);
        }
    };

    (@read $reader:ident, $flags:ident) => { $crate::tl::field::Field::read($reader)? };
    (@read $reader:ident, $flags:ident, $bit:literal) => {
        if $flags & (1 << $bit) != 0 { Some($crate::tl::field::Field::read($reader)?) } else { None }
    };
}

/// Defines fields that share one flag bit, so that either all or none are there.
macro_rules! field_groups {
    ($(
        $(#[$attribute:meta])*
        struct $name:ident { $( $(#[$field_attribute:meta])* $field:ident : $type:ty, )+ }
    )*) => {$(
        $(#[$attribute])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name { $( $(#[$field_attribute])* pub $field: $type, )+ }

        impl $crate::tl::field::Field for $name {
            const MIN_LEN: usize = 0 $( + <$type as $crate::tl::field::Field>::MIN_LEN )+;

            fn tl_type() -> String {
                String::new()
            }

            fn declare(_name: &str, condition: &str, declaration: &mut String) {
                $( <$type as $crate::tl::field::Field>::declare(stringify!($field), condition, declaration); )+
            }

            fn encoded_len(&self) -> usize {
                0 $( + self.$field.encoded_len() )+
            }

            fn write(&self, writer: &mut $crate::tl::Writer) {
                $( self.$field.write(writer); )+
            }

            fn read(reader: &mut $crate::tl::Reader<'_>) -> Result<Self, $crate::tl::DecodeError> {
                Ok(Self { $( $field: $crate::tl::field::Field::read(reader)?, )+ })
            }
        }

        #[cfg(test)]
        impl proptest::arbitrary::Arbitrary for $name {
            type Parameters = ();
            type Strategy = proptest::strategy::BoxedStrategy<Self>;

            fn arbitrary_with((): ()) -> Self::Strategy {
                use proptest::strategy::Strategy as _;
                proptest::arbitrary::any::<($( $type, )+)>().prop_map(|($( $field, )+)| Self { $( $field, )+ }).boxed()
            }
        }
    )*};
}

/// Defines an enum over constructors that is told apart by the boxed id: a boxed type of the scheme, or all messages of
/// one direction.
macro_rules! one_of {
    ($(
        $(#[$attribute:meta])*
        enum $name:ident = $type_name:literal { $( $(#[$variant_attribute:meta])* $variant:ident($object:ty), )+ }
    )*) => {$(
        $(#[$attribute])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum $name { $( $(#[$variant_attribute])* $variant($object), )+ }

        impl $name {
            /// Name of the constructor in the scheme.
            pub const fn name(&self) -> &'static str {
                match self { $( Self::$variant(_) => <$object as $crate::tl::TlObject>::NAME, )+ }
            }
        }

        impl $crate::tl::Boxed for $name {
            const TYPE: &'static str = $type_name;

            fn boxed_len(&self) -> usize {
                match self { $( Self::$variant(object) => object.boxed_len(), )+ }
            }

            fn write_boxed(&self, writer: &mut $crate::tl::Writer) {
                match self { $( Self::$variant(object) => object.write_boxed(writer), )+ }
            }

            fn read_boxed(reader: &mut $crate::tl::Reader<'_>) -> Result<Self, $crate::tl::DecodeError> {
                use $crate::tl::TlObject;
                match reader.id()? {
                    $( <$object>::ID => <$object>::read_bare(reader).map(Self::$variant), )+
                    id => Err($crate::tl::DecodeError::UnknownConstructor { id, expected: Self::TYPE }),
                }
            }
        }

        $(
            impl From<$object> for $name {
                fn from(object: $object) -> Self {
                    Self::$variant(object)
                }
            }
        )+

        #[cfg(test)]
        impl proptest::arbitrary::Arbitrary for $name {
            type Parameters = ();
            type Strategy = proptest::strategy::BoxedStrategy<Self>;

            fn arbitrary_with((): ()) -> Self::Strategy {
                use proptest::strategy::Strategy as _;
                proptest::prop_oneof![
                    $( proptest::arbitrary::any::<$object>().prop_map(Self::$variant), )+
                ].boxed()
            }
        }
    )*};
}

/// Lets a boxed type stand as a field.
macro_rules! boxed_fields {
    ($($name:ty),+) => {$(
        impl $crate::tl::field::Field for $name {
            const MIN_LEN: usize = 4;

            fn tl_type() -> String {
                <Self as $crate::tl::Boxed>::TYPE.into()
            }

            fn encoded_len(&self) -> usize {
                $crate::tl::Boxed::boxed_len(self)
            }

            fn write(&self, writer: &mut $crate::tl::Writer) {
                $crate::tl::Boxed::write_boxed(self, writer);
            }

            fn read(reader: &mut $crate::tl::Reader<'_>) -> Result<Self, $crate::tl::DecodeError> {
                $crate::tl::Boxed::read_boxed(reader)
            }
        }
    )+};
}

pub(crate) use {boxed_fields, constructors, field_groups, one_of};
