//! A TLS endpoint in front of an HTTP endpoint. Its handshakes take time, as they do between a function and AWS.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};

/// How much longer a handshake takes than it would here: two round trips and the arithmetic of a small share of a processor.
pub const HANDSHAKE: Duration = Duration::from_millis(150);

/// The endpoint, and the ends of its handshakes.
pub struct Endpoint {
    pub url: String,
    /// A file with the certificate to trust, in PEM.
    pub certificate: PathBuf,
    handshakes: Arc<Mutex<Vec<Instant>>>,
    _folder: tempfile::TempDir,
}

impl Endpoint {
    /// Passes on what it is sent to an endpoint `http://…`.
    pub async fn before(endpoint: &str) -> Self {
        let target = endpoint.strip_prefix("http://").unwrap().to_owned();
        let rcgen::CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let certificate = folder.path().join("certificate.pem");
        std::fs::write(&certificate, cert.pem()).unwrap();
        let key = tokio_rustls::rustls::pki_types::PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let handshakes = Arc::new(Mutex::new(Vec::new()));
        let ended = Arc::clone(&handshakes);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, ended, target) = (acceptor.clone(), Arc::clone(&ended), target.clone());
                tokio::spawn(async move {
                    tokio::time::sleep(HANDSHAKE).await;
                    let Ok(mut secured) = acceptor.accept(stream).await else { return };
                    ended.lock().unwrap().push(Instant::now());
                    let mut behind = TcpStream::connect(target).await.unwrap();
                    // Ends when either side closes the connection.
                    let _ = tokio::io::copy_bidirectional(&mut secured, &mut behind).await;
                });
            }
        });
        Endpoint { url, certificate, handshakes, _folder: folder }
    }

    /// When each handshake so far ended.
    pub fn handshakes(&self) -> Vec<Instant> {
        self.handshakes.lock().unwrap().clone()
    }
}
