//! A workspace whose `ahoy serve` has its API on, as a process; and a client that reads every answer whole.
#![allow(dead_code)]

pub mod contract;

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

pub use self::contract::CONTRACT;
use crate::common::{self, Shop, ahoy as program};

pub const API_TOKEN: &str = "an-api-token-for-tests-0123456789";

pub struct Wish<'a> {
    pub carrier: &'a str,
    pub campaign: &'a str,
    pub leads: usize,
}

pub struct House {
    pub shop: Shop,
    pub url: String,
    client: reqwest::Client,
    child: Option<Child>,
}

pub struct Answer {
    pub status: u16,
    pub text: String,
    pub json: serde_json::Value,
    pub headers: reqwest::header::HeaderMap,
}

impl House {
    pub fn open(wish: &Wish<'_>) -> House {
        House::with(wish, "")
    }

    /// `more` stands in ahoy.toml, too.
    pub fn with(wish: &Wish<'_>, more: &str) -> House {
        let shop = Shop::open(&common::Wish { carrier: wish.carrier, campaign: wish.campaign, leads: wish.leads });
        House::serving(shop, more)
    }

    /// Serves a workspace that is there.
    pub fn serving(shop: Shop, more: &str) -> House {
        let config = shop.path("ahoy.toml");
        let text = std::fs::read_to_string(&config).expect("read");
        if !text.contains("[api]") {
            let api = "[api]\nlisten = \"127.0.0.1:0\"\ntoken = { env = \"AHOY_TEST_API\" }\n";
            std::fs::write(&config, format!("{text}\n{api}{more}")).expect("written");
        }
        ahoy::edge::install_tls();
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let mut house = House { shop, url: String::new(), client, child: None };
        house.start();
        house
    }

    pub fn start(&mut self) {
        let errors = std::fs::File::create(self.path("serve.err")).expect("made");
        let mut child = program(self.shop.dir.path())
            .env("AHOY_TEST_API", API_TOKEN)
            .args(["--json", "serve", "--log-level", "ahoy=info"])
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .expect("it starts");
        let mut first = String::new();
        let stdout = child.stdout.take().expect("it was piped");
        BufReader::new(stdout).read_line(&mut first).expect("it says where it listens");
        let ready: serde_json::Value = serde_json::from_str(&first).unwrap_or_else(|_| panic!("{}", self.errors()));
        self.url = ready["api"].as_str().expect("its address").to_owned();
        self.child = Some(child);
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.shop.path(name)
    }

    /// What it said on stderr so far.
    pub fn errors(&self) -> String {
        std::fs::read_to_string(self.path("serve.err")).expect("read")
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("SIGKILL");
            child.wait().expect("reaped");
        }
    }

    /// SIGTERM, and its exit code.
    pub fn stop(&mut self) -> i32 {
        let child = self.child.take().expect("it runs");
        common::process::signal(child.id(), "TERM");
        common::process::ended(child)
    }

    pub fn client(&self) -> &reqwest::Client {
        &self.client
    }

    /// Sends a request and holds its answer against the document; `None`: there was no room for the connection.
    pub async fn try_send(&self, request: reqwest::RequestBuilder) -> Option<Answer> {
        let request = request.timeout(Duration::from_secs(40)).build().expect("a request");
        let (method, path) = (request.method().to_string(), request.url().path().to_owned());
        let response = self.client.execute(request).await.ok()?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.expect("a whole answer");
        assert_eq!(common::leak(text.as_bytes()), None, "law 12");
        let kind = headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or("");
        CONTRACT.check(&method, &path, status, kind, &text);
        assert_eq!(headers.get("cache-control").and_then(|it| it.to_str().ok()), Some("no-store"));
        Some(Answer { status, json: serde_json::from_str(&text).unwrap_or_default(), text, headers })
    }

    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        self.try_send(request).await.expect("an answer")
    }

    pub fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url)).bearer_auth(API_TOKEN)
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(reqwest::Method::GET, path)).await
    }

    pub async fn get_bare(&self, path: &str) -> Answer {
        self.send(self.client.get(format!("{}{path}", self.url))).await
    }

    pub async fn post(&self, path: &str, body: &serde_json::Value) -> Answer {
        self.send(self.request(reqwest::Method::POST, path).json(body)).await
    }

    /// Asks for a call.
    pub async fn place(&self, key: &str, body: &serde_json::Value) -> Answer {
        self.send(self.request(reqwest::Method::POST, "/api/calls").header("Idempotency-Key", key).json(body)).await
    }

    /// What became of a call, once it is over.
    pub async fn over(&self, id: &str) -> serde_json::Value {
        for _ in 0..600 {
            let call = self.get(&format!("/api/calls/{id}")).await.json;
            if !call["outcome"].is_null() && !call["report"].is_null() {
                return call;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("never over: {id}")
    }

    /// A family's sample, `name{label="…"}` as it stands on the page.
    pub async fn metric(&self, sample: &str) -> f64 {
        let page = self.get("/metrics").await.text;
        let line = page.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {sample} in\n{page}")).parse().expect("a number")
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // A test's server dies with it.
            let _gone_already = child.kill();
            let _reaped = child.wait();
        }
        let told = self.errors();
        if std::thread::panicking() {
            println!("{told}");
        } else {
            assert_eq!(common::leak(told.as_bytes()), None, "law 12: a number or a secret was logged");
        }
    }
}
