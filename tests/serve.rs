//! The HTTP API of the real `ahoy serve`, over real sockets.

mod common;
mod serve_house;

use serve_house::*;

#[tokio::test]
async fn probes_answer_without_the_token_and_nothing_else_does() {
    let house = House::open(&Wish::default()).await;
    assert_eq!(house.get_bare("/healthz").await.status, 200);
    let ready = house.get_bare("/readyz").await;
    assert_eq!(ready.status, 200, "{}", ready.text);
    assert_eq!(ready.json["ready"], true);
    assert_eq!(house.get("/metrics").await.status, 200);
    for path in ["/metrics", "/api/calls/0192d3a4-1111-7abc-8def-0123456789ab", "/nothing", "/healthz/x"] {
        let bare = house.get_bare(path).await;
        assert_eq!(bare.status, 401, "{path}: {}", bare.text);
    }
    println!("{}", house.get("/metrics").await.text);
}
