//! Enforces the boundary between accounts, which the engine lacks: only policies let a member's call reach the hub's table.
//!
//! The engine keeps the tables of each account apart and doesn't know resource policies. So the functions of a member call DynamoDB through
//! a gate, which evaluates the policies of both templates and, if they allow the call, makes it in the hub's account.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use audit_core::iam::Decision;
use serde_json::{Value, json};

use crate::{
    deployment::{Deployment, call},
    engine::Client,
};

/// A gate for the calls of one role.
#[derive(Debug)]
pub struct Gate {
    port: u16,
    refuses: Arc<AtomicBool>,
}

struct Keeper {
    refuses: Arc<AtomicBool>,
    role: String,
    deployment: Deployment,
    hub: Client,
}

impl Gate {
    /// Opens a gate for a role. Calls that are allowed are made as the hub.
    #[must_use]
    pub fn open(role: &str, deployment: &Deployment, hub: &Client) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let refuses = Arc::new(AtomicBool::new(false));
        let keeper =
            Arc::new(Keeper { refuses: Arc::clone(&refuses), role: role.to_owned(), deployment: deployment.clone(), hub: hub.clone() });
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let keeper = Arc::clone(&keeper);
                // A client that disconnects is no failure.
                std::thread::spawn(move || keeper.serve(&stream).ok());
            }
        });
        Gate { port, refuses }
    }

    /// Refuses every call from now on, or no longer.
    pub fn refuse(&self, all: bool) {
        self.refuses.store(all, Ordering::SeqCst);
    }

    /// The URL of the gate.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Keeper {
    /// Answers the requests of a connection one after the other.
    fn serve(&self, mut stream: &TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream);
        loop {
            let (mut target, mut length) = (String::new(), 0);
            let mut line = String::new();
            while reader.read_line(&mut line)? > 0 && line.trim() != "" {
                if let Some((name, value)) = line.trim().split_once(':') {
                    match name.to_lowercase().as_str() {
                        "x-amz-target" => value.trim().clone_into(&mut target),
                        "content-length" => length = value.trim().parse().unwrap_or_default(),
                        _ => {}
                    }
                }
                line.clear();
            }
            if line.is_empty() {
                return Ok(());
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body)?;
            let (status, answer) = self.answer(&target, &serde_json::from_slice(&body).unwrap_or_default());
            let head =
                format!("HTTP/1.1 {status} -\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: {}\r\n\r\n", answer.len());
            stream.write_all(&[head.as_bytes(), answer.as_bytes()].concat())?;
        }
    }

    fn answer(&self, target: &str, request: &Value) -> (u16, String) {
        let operation = target.rsplit('.').next().unwrap_or_default();
        let table = request["TableName"].as_str().unwrap_or("*");
        let key = request.pointer("/Item/pk/S").or_else(|| request.pointer("/Key/pk/S")).and_then(Value::as_str);
        let call = call(&self.role, &format!("dynamodb:{operation}"), table).with("dynamodb:LeadingKeys", key.as_slice());
        if self.refuses.load(Ordering::SeqCst) || self.deployment.decide(&call) == Decision::Denied {
            let message = format!("{} is not authorized to perform {}", self.role, call.action);
            return (400, json!({"__type": "com.amazon.coral.service#AccessDeniedException", "message": message}).to_string());
        }
        match self.hub.json("dynamodb", target, request) {
            Ok(answer) => (200, answer.to_string()),
            Err(error) => (400, error.split_once(' ').map_or_else(String::new, |(_, body)| body[body.find('{').unwrap_or(0)..].to_owned())),
        }
    }
}
