//! Real Redis servers for the tests, one set a test process: on free loopback ports, with an
//! append-only file in a temporary directory. A shell holds each server and kills it, and removes its
//! directory, when the test process ends, however that happens: its standard input closes then.

use std::{
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tempfile::TempDir;

pub const MISSING: &str = "redis-server, redis-sentinel and redis-cli are needed by these tests: `tests/run` installs them \
    (Debian: apt-get install redis-server redis-sentinel redis-tools)";

/// A server and the shell that holds it.
pub struct Server {
    pub port: u16,
    shell: Child,
    pid: u32,
    ended: bool,
}

/// A port nobody listens on. Each is given once in a process.
pub fn free_port() -> u16 {
    static GIVEN: std::sync::Mutex<Vec<u16>> = std::sync::Mutex::new(Vec::new());
    let mut given = GIVEN.lock().unwrap();
    loop {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        if !given.contains(&port) {
            given.push(port);
            return port;
        }
    }
}

impl Server {
    /// Starts a program (`redis-server`, `redis-sentinel`) and waits until it answers.
    pub fn start(program: &str, port: u16, arguments: &[&str]) -> Server {
        // Kept by the shell, which removes it.
        let dir = TempDir::new().unwrap().keep();
        let script = r#"dir=$1; shift; cd "$dir" && "$@" >"$dir/log" 2>&1 & pid=$!; echo $pid; cat >/dev/null; kill -9 $pid; kill -CONT $pid; wait $pid; rm -rf "$dir""#;
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]).arg(&dir).arg(program);
        if program == "redis-sentinel" {
            std::fs::write(dir.join("sentinel.conf"), arguments.join("\n")).unwrap();
            command.arg("sentinel.conf");
        } else {
            command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--appendonly", "yes"]);
            command.args(["--repl-diskless-sync-delay", "0"]);
            command.args(arguments);
        }
        let mut shell = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect(MISSING);
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(shell.stdout.take().unwrap()), &mut line).unwrap();
        let server = Server { port, shell, pid: line.trim().parse().expect(MISSING), ended: false };
        let log = dir.join("log");
        for _ in 0..1000 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() && server.ask(&["PING"]).contains("PONG") {
                return server;
            }
            wait();
        }
        panic!("{program} does not answer. {MISSING}\n{}", std::fs::read_to_string(log).unwrap_or_default());
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What `redis-cli` says to a command.
    pub fn ask(&self, words: &[&str]) -> String {
        cli(&["-p", &self.port.to_string()], words)
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if !self.ended {
            self.signal("-KILL");
            self.ended = true;
        }
    }

    /// SIGSTOP and SIGCONT.
    pub fn pause(&self) {
        self.signal("-STOP");
    }
    pub fn wake(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        assert!(Command::new("sh").args(["-c", &format!("kill {signal} {}", self.pid)]).status().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

fn cli(before: &[&str], words: &[&str]) -> String {
    let out = Command::new("redis-cli").args(before).args(words).stdin(Stdio::null()).output().expect(MISSING);
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// A turn for somebody else's process, which gives no sign of its own.
#[expect(clippy::disallowed_methods, reason = "another process is waited for; nothing can tell us when it is ready")]
pub fn wait() {
    std::thread::sleep(Duration::from_millis(10));
}

/// The one server most rooms share.
pub fn shared() -> &'static Server {
    static ONE: OnceLock<Server> = OnceLock::new();
    ONE.get_or_init(|| Server::start("redis-server", free_port(), &[]))
}

/// A prefix nobody else has.
pub fn prefix() -> String {
    static N: AtomicU32 = AtomicU32::new(0);
    format!("room{}", N.fetch_add(1, Ordering::Relaxed))
}

/// The Cluster that rooms share.
pub fn cluster() -> &'static [Server] {
    static ALL: OnceLock<Vec<Server>> = OnceLock::new();
    ALL.get_or_init(new_cluster)
}

/// The sentinels that rooms share; nobody kills their primary.
pub fn watched() -> &'static Watched {
    static ALL: OnceLock<Watched> = OnceLock::new();
    ALL.get_or_init(Watched::start)
}

/// Three primaries with a replica each.
pub fn new_cluster() -> Vec<Server> {
    let nodes: Vec<Server> = (0..6)
        .map(|_| {
            let bus = free_port().to_string();
            let arguments = ["--cluster-enabled", "yes", "--cluster-port", &bus, "--cluster-node-timeout", "2000"];
            Server::start("redis-server", free_port(), &arguments)
        })
        .collect();
    let addresses: Vec<String> = nodes.iter().map(Server::address).collect();
    let mut words = vec!["create"];
    words.extend(addresses.iter().map(String::as_str));
    words.extend(["--cluster-replicas", "1", "--cluster-yes"]);
    let said = cli(&["--cluster"], &words);
    assert!(said.contains("All 16384 slots covered"), "{said}");
    for _ in 0..1000 {
        let ready = |n: &Server| n.ask(&["CLUSTER", "INFO"]).contains("cluster_state:ok") && slots(n) == 3;
        if nodes.iter().all(ready) {
            return nodes;
        }
        wait();
    }
    panic!("the Cluster does not come up: {}", nodes[0].ask(&["CLUSTER", "NODES"]));
}

fn slots(node: &Server) -> usize {
    node.ask(&["CLUSTER", "NODES"]).lines().filter(|l| l.contains("master") && l.contains('-') && l.contains("connected")).count()
}

/// A primary with a replica, watched by three sentinels under the name `warnings`.
pub struct Watched {
    pub primary: Server,
    pub replica: Server,
    pub sentinels: Vec<Server>,
}

impl Watched {
    pub fn start() -> Watched {
        let primary = Server::start("redis-server", free_port(), &[]);
        let replica = Server::start("redis-server", free_port(), &["--replicaof", "127.0.0.1", &primary.port.to_string()]);
        in_step(&primary);
        let sentinels: Vec<Server> = (0..3)
            .map(|_| {
                let port = free_port();
                let lines = [
                    format!("port {port}"),
                    "bind 127.0.0.1".to_string(),
                    format!("sentinel monitor warnings 127.0.0.1 {} 2", primary.port),
                    "sentinel down-after-milliseconds warnings 500".to_string(),
                    "sentinel failover-timeout warnings 3000".to_string(),
                ];
                Server::start("redis-sentinel", port, &lines.each_ref().map(String::as_str))
            })
            .collect();
        for _ in 0..1000 {
            let knows = |s: &Server| {
                let said = s.ask(&["SENTINEL", "MASTER", "warnings"]);
                let mut lines = said.lines();
                let mut of = |name: &str| lines.find(|l| *l == name).and_then(|_| lines.next()).map(str::to_string);
                of("num-slaves").as_deref() == Some("1") && of("num-other-sentinels").as_deref() == Some("2")
            };
            if sentinels.iter().all(knows) {
                return Watched { primary, replica, sentinels };
            }
            wait();
        }
        panic!("the sentinels do not find each other: {}", sentinels[0].ask(&["SENTINEL", "MASTER", "warnings"]));
    }

    pub fn addresses(&self) -> Vec<String> {
        self.sentinels.iter().map(Server::address).collect()
    }
}

/// Waits until a primary's replica follows it.
pub fn in_step(primary: &Server) {
    for _ in 0..1000 {
        if primary.ask(&["INFO", "replication"]).contains("state=online") {
            return;
        }
        wait();
    }
    panic!("the replica does not follow: {}", primary.ask(&["INFO", "replication"]));
}
