//! `calls!`: declares the calls of one service, a type each, and the list of them.

/// The first where it is given, else the second.
macro_rules! either {
    ([] $default:expr) => {
        $default
    };
    ([$given:expr] $default:expr) => {
        $given
    };
}

/// The type where it is given, else `()`.
macro_rules! type_or_unit {
    () => {
        ()
    };
    ($given:ty) => {
        $given
    };
}

/// One declaration a call, its parts in this order: method, name and path; `access`; then, where
/// they differ from the default, `callers` (none), `idempotent` (by the method), `statuses` (200),
/// `refusals` (none), `params`, `request` and `reply` (nothing), and an `example` of the request as
/// JSON.
macro_rules! calls {
    ($callee:ident: $(
        $(#[doc = $doc:literal])+
        $method:ident $name:ident $path:literal {
            access: $access:expr,
            $(callers: [$($caller:ident),+],)?
            $(idempotent: $idempotent:literal,)?
            $(statuses: [$($status:literal),+],)?
            $(refusals: [$($refusal:ident),+],)?
            $(params: $params:ty,)?
            $(request: $request:ty,)?
            $(reply: $reply:ty,)?
            $(example: $example:literal,)?
        }
    )+) => {
        $(
            $(#[doc = $doc])+
            #[derive(Clone, Copy, Debug)]
            pub struct $name;

            impl $crate::calls::Call for $name {
                const CALLEE: $crate::ServiceName = $crate::ServiceName::$callee;
                const METHOD: $crate::calls::Method = $crate::calls::Method::$method;
                const PATH: &'static str = $path;
                const ACCESS: $crate::calls::Access = $access;
                const CALLERS: &'static [$crate::ServiceName] = &[$($($crate::ServiceName::$caller),+)?];
                const IDEMPOTENT: bool = either!([$($idempotent)?] Self::METHOD.is_idempotent());
                const STATUSES: &'static [u16] = either!([$(&[$($status),+])?] &[200]);
                const REFUSALS: &'static [$crate::ErrorCode] = &[$($($crate::ErrorCode::$refusal),+)?];
                type Params = type_or_unit!($($params)?);
                type Request = type_or_unit!($($request)?);
                type Reply = type_or_unit!($($reply)?);
            }
        )+

        /// Every call of this service in full.
        #[cfg(feature = "schema")]
        pub fn described(
            schemas: &mut $crate::calls::schema::Schemas,
        ) -> Vec<$crate::calls::schema::Described> {
            vec![$(schemas.describe::<$name>(
                $crate::calls::Listed::of::<$name>(stringify!($name)),
                concat!($($doc, "\n"),+),
                either!([$(Some($example))?] None),
            )),+]
        }

        #[cfg(test)]
        mod tests {
            #[test]
            fn every_example_is_a_request() {
                $($(
                    let read = serde_json::from_str::<<super::$name as $crate::calls::Call>::Request>($example);
                    assert!(read.is_ok(), "{}: {:?}", stringify!($name), read.err());
                )?)+
            }
        }

        /// Every call of this service.
        pub const ALL: &[$crate::calls::Listed] = &[$($crate::calls::Listed::of::<$name>(stringify!($name))),+];
    };
}
