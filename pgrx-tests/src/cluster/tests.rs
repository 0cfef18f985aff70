use super::*;

async fn count(cluster: &Cluster) -> i64 {
    cluster
        .connect("t")
        .await
        .unwrap()
        .query_one("SELECT count(*) FROM kept", &[])
        .await
        .unwrap()
        .get(0)
}

#[tokio::test]
async fn a_server_lives_through_stops_and_crashes_and_leaves_nothing() {
    let mut cluster = Cluster::builder()
        .initial_database("t")
        .setting("work_mem", "5MB")
        .start()
        .await
        .unwrap();
    let client = cluster.connect("t").await.unwrap();
    client
        .batch_execute("CREATE TABLE kept (n int); INSERT INTO kept VALUES (1)")
        .await
        .unwrap();
    let row = client
        .query_one(
            "SELECT current_setting('work_mem'), current_setting('fsync'), current_setting('lc_collate')",
            &[],
        )
        .await
        .unwrap();
    assert_eq!((row.get(0), row.get(1), row.get(2)), ("5MB", "on", "C.UTF-8"));

    cluster.restart(Stop::Fast).await.unwrap();
    cluster.restart(Stop::Immediate).await.unwrap();
    assert_eq!(count(&cluster).await, 1);

    cluster.kill_postmaster().await.unwrap();
    assert!(cluster.postmaster().is_none());
    cluster.start().await.unwrap();
    assert_eq!(count(&cluster).await, 1);

    let client = cluster.connect("t").await.unwrap();
    let pid: i32 = client
        .query_one("SELECT pg_backend_pid()", &[])
        .await
        .unwrap()
        .get(0);
    cluster.kill_backend(pid).await.unwrap();
    wait_until(START_LIMIT, "the crash to end the session", async || {
        client.is_closed()
    })
    .await
    .unwrap();
    cluster.wait_ready().await.unwrap();
    assert_eq!(count(&cluster).await, 1);
    assert!(cluster.log().contains("was terminated by signal 9"));

    let (dir, postmaster) = (cluster.dir().to_owned(), cluster.postmaster().unwrap());
    drop(cluster);
    assert!(!dir.exists());
    assert!(!postmaster.alive());
}

#[tokio::test]
async fn programs_and_roles_reach_it() {
    let cluster = Cluster::builder().fast().start().await.unwrap();
    cluster.create_database("odd \"name").await.unwrap();
    cluster.create_database("copy").await.unwrap();
    let db = "odd \"name";
    cluster
        .psql(
            db,
            "CREATE ROLE guest LOGIN; CREATE TABLE t AS SELECT 'Zoë' AS name",
        )
        .await
        .unwrap();
    assert!(cluster.connect_as(db, "guest").await.is_ok());
    let (client, connection) = tokio_postgres::connect(&cluster.url("copy", "guest"), NoTls)
        .await
        .unwrap();
    drop((client, connection));

    let table = cluster.psql(db, "SELECT name, 1 AS one FROM t").await.unwrap();
    assert!(
        table.contains(" name | one \n------+-----\n Zoë  |   1\n"),
        "{table}"
    );
    assert!(
        cluster
            .psql(db, "SELECT nonsense")
            .await
            .unwrap_err()
            .to_string()
            .contains("nonsense")
    );

    let dump = cluster.pg_dump(db, &[]).await.unwrap();
    cluster.pg_restore("copy", &dump, &[]).await.unwrap();
    assert!(cluster.psql("copy", "TABLE t").await.unwrap().contains("Zoë"));
    assert!(
        cluster
            .pgbench("copy")
            .arg("--version")
            .status()
            .unwrap()
            .success()
    );
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why() {
    let error = Cluster::builder()
        .preload("no_such_library")
        .start()
        .await
        .unwrap_err();
    assert!(format!("{error:#}").contains("no_such_library"), "{error:#}");
}

#[tokio::test]
async fn foreign_processes_are_refused() {
    let cluster = Cluster::builder().fast().socket_only().start().await.unwrap();
    let own: i32 = std::process::id().try_into().unwrap();
    assert!(cluster.kill_backend(own).await.is_err());
    assert!(port_is_free(cluster.port()));
}
