//! Enums whose values have names, for the command line and the report.

/// `named_enum!(/// Doc. Name { Value "value", … })`: an enum with `ALL` and `name`.
macro_rules! named_enum {
    ($(#[$doc:meta])* $enum:ident { $($value:ident $name:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $enum {
            $($value,)+
        }

        impl $enum {
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$value),+];

            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$value => $name,)+
                }
            }
        }
    };
}
