//! Bodies that are no good JSON, or no good order.

use bytes::Bytes;

/// Bodies that a receiver must keep and a processor must refuse, each with a name. All but the empty one arrive as any
/// body does; what no `jsonb` can hold has to be kept as bytes.
pub fn malformed_bodies() -> Vec<(&'static str, Bytes)> {
    let bodies: [(&str, &[u8]); 14] = [
        ("empty", b""),
        ("form", b"foo=anything"),
        (
            "truncated",
            br#"{"id": 820982911946154508, "line_items": [{"id": 1"#,
        ),
        ("trailing garbage", br#"{"id": 1} {"id": 2}"#),
        ("invalid utf-8", b"{\"id\": 1, \"note\": \"\xff\xfe\"}"),
        ("nul escape", br#"{"id": 1, "note": "a\u0000b"}"#),
        ("nul byte", b"{\"id\": 1, \"note\": \"a\0b\"}"),
        ("lone surrogate", br#"{"id": 1, "note": "\ud83d"}"#),
        ("byte order mark", b"\xef\xbb\xbf{\"id\": 1}"),
        ("number out of range", br#"{"id": 1e999999}"#),
        ("array", b"[1, 2, 3]"),
        ("string", br#""an order""#),
        ("null", b"null"),
        ("empty object", b"{}"),
    ];
    let mut bodies: Vec<(&str, Bytes)> = bodies.map(|(name, body)| (name, Bytes::from_static(body))).into();
    bodies.push(("deep", "[".repeat(20_000).into()));
    bodies
}
