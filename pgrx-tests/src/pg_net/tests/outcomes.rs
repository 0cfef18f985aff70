//! What is written down of each request.

use super::*;

#[tokio::test]
async fn outcomes_are_written_as_the_real_one_writes_them() {
    let net = Net::new(&[]).await;
    let worker = net.worker().await;
    let there = Receiver::start().unwrap();
    there.always("/elsewhere", Reply::ok().text("moved"));
    let world = &net.world;
    world.always("/500", Reply::status(500));
    world.always("/never", Reply::never());
    world.always("/close", Reply::close());
    world.always("/half", Reply::ok().body("0123456789").cut_after(3));
    world.always("/nul", Reply::ok().body(&b"ab\0cd"[..]));
    world.always("/bytes", Reply::ok().body(&b"\xff\xfe"[..]));
    world.always("/302", Reply::redirect(302, &there.url("/elsewhere")));
    world.always("/308", Reply::redirect(308, "/x"));
    let auth = r#", headers => '{"Authorization": "Basic c2VjcmV0", "Content-Type": "application/json"}'"#;
    for (path, rest, expected) in [
        ("/500", "", "500/-/-/f/-"),
        (
            "/close",
            "",
            "-/-/-/f/Server returned nothing (no headers, no data)",
        ),
        ("/half", "", "-/-/-/f/Transferred a partial file"),
        ("/nul", "", "200/-/ab/f/-"),
        ("/302", auth, "200/text/plain; charset=utf-8/moved/f/-"),
        ("/308", auth, "200/text/plain; charset=utf-8/fine/f/-"),
    ] {
        let id = net.post(path, rest).await;
        assert_eq!(net.response(id).await, expected, "{path}");
    }
    assert_redirects(&there, world);

    let id = net.post("/never", ", timeout_milliseconds => 60").await;
    let timed_out = net.response(id).await;
    assert!(
        timed_out.starts_with("-/-/-/t/Timeout of 60 ms reached. Total time: ")
            && timed_out.contains(" ms (DNS time: 0."),
        "{timed_out}"
    );
    let id = net.post("/bytes", "").await;
    wait_until(LIMIT, "the response", async || net.responses().await == "8")
        .await
        .unwrap();
    let length = format!("SELECT octet_length(content)::text FROM net._http_response WHERE id = {id}");
    assert_eq!(net.text(&length).await, "2", "no UTF-8, and stored all the same");

    assert_unreachable_ones_are_named(&net).await;
    let length = "SELECT headers->>'content-length' FROM net._http_response WHERE id = 1";
    assert_eq!(net.text(length).await, "0");
    worker.stop().await.unwrap();
}

/// A redirect of 302 becomes a GET and loses the secret; one of 308 keeps all.
fn assert_redirects(there: &Receiver, world: &Receiver) {
    let moved = &there.requests()[0];
    assert_eq!(
        (
            moved.method.as_str(),
            moved.body.len(),
            moved.header("authorization")
        ),
        ("GET", 0, None)
    );
    let kept = &world.requests_to("/x")[0];
    assert_eq!(
        (
            kept.method.as_str(),
            kept.text().as_str(),
            kept.header("authorization")
        ),
        ("POST", "{}", Some("Basic c2VjcmV0"))
    );
}

/// What libcurl says where nobody can be asked.
async fn assert_unreachable_ones_are_named(net: &Net) {
    for (url, expected) in [
        ("http://127.0.0.1:1/", "Couldn't connect to server"),
        ("http://no-such-host.invalid/", "Couldn't resolve host name"),
        ("gopher://127.0.0.1/", "Unsupported protocol"),
        (
            "http://127.0.0.1:99999/",
            "URL using bad/illegal format or missing URL",
        ),
    ] {
        let sql = format!("SELECT net.http_get('{url}')");
        let id = net.client.query_one(&sql, &[]).await.unwrap().get(0);
        assert_eq!(net.response(id).await, format!("-/-/-/f/{expected}"), "{url}");
    }
}
