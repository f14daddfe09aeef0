//! What all Lambda functions share: logging, settings and the loop over events. A function's `main` is one call of [`run`].

use std::{
    pin::Pin,
    time::{Instant, SystemTime},
};

use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    error::{BoxError, chain},
    settings::Environment,
};

/// Runs a function: makes its handler, then handles one event after the other.
///
/// Wrong settings are reported as an error of the function's initialization, before it asks for an event.
pub async fn run<H, E, R, M>(function: &'static str, make: M) -> Result<(), Error>
where
    M: AsyncFnOnce(Environment) -> Result<H, BoxError>,
    H: Handler<E, R>,
    E: DeserializeOwned,
    R: Serialize,
{
    log_as_json();
    // Boxed, because the compiler exceeds its limits on the nested type of the future.
    let making: Pending<'_, H> = Box::pin(make(Environment::of_process()));
    let handler = match making.await {
        Ok(handler) => handler,
        Err(error) => {
            let message = chain(error.as_ref());
            tracing::error!(function, error = message, "the function can't start");
            report_failed_start(&message);
            return Err(message.into());
        }
    };
    let handler = &handler;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<E>| {
        let left = event.context.deadline().duration_since(SystemTime::now()).unwrap_or_default();
        let invocation = Invocation { function_arn: &event.context.invoked_function_arn, deadline: Instant::now() + left };
        let handling: Pending<'_, R> = Box::pin(handler.handle(event.payload, invocation));
        handling.await.map_err(|error| {
            let error_message = chain(error.as_ref());
            tracing::error!(function, request_id = event.context.request_id, error = error_message, "the event could not be handled");
            Diagnostic { error_type: "HandlerFailed".to_owned(), error_message }
        })
    }))
    .await
}

type Pending<'p, T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + 'p>>;

/// One invocation of a function.
#[derive(Clone, Copy, Debug)]
pub struct Invocation<'i> {
    /// The ARN of the function.
    pub function_arn: &'i str,
    /// The time at which Lambda ends the function, whatever it is doing.
    pub deadline: Instant,
}

impl Invocation<'_> {
    /// The time until which further work may begin: half of what is left now, so that what is begun then has as long again to end.
    #[must_use]
    pub fn enough(&self) -> Instant {
        half_until(self.deadline)
    }
}

/// The middle of the time that is left until a deadline.
pub(crate) fn half_until(deadline: Instant) -> Instant {
    let now = Instant::now();
    now + deadline.saturating_duration_since(now) / 2
}

/// Handles the events of a function.
pub trait Handler<E, R> {
    /// Handles an event. On an error, Lambda delivers the whole event again.
    fn handle(&self, event: E, invocation: Invocation<'_>) -> impl Future<Output = Result<R, BoxError>>;
}

fn log_as_json() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("LOG_LEVEL").unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let subscriber =
        tracing_subscriber::fmt().json().flatten_event(true).with_env_filter(filter).with_target(false).with_current_span(false);
    // Fails if a test has set a subscriber already.
    let _ = subscriber.try_init();
}

/// Reports to Lambda's runtime API why initialization failed. Without this, Lambda only knows that the process ended.
fn report_failed_start(message: &str) {
    use std::io::{Read as _, Write as _};
    let Ok(address) = std::env::var("AWS_LAMBDA_RUNTIME_API") else { return };
    let body = serde_json::json!({"errorMessage": message, "errorType": "StartFailed", "stackTrace": []}).to_string();
    let request = format!(
        "POST /2018-06-01/runtime/init/error HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nLambda-Runtime-Function-Error-Type: StartFailed\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let sent = std::net::TcpStream::connect(&address).and_then(|mut stream| {
        stream.set_read_timeout(Some(std::time::Duration::from_secs(2)))?;
        stream.write_all(request.as_bytes())?;
        stream.read(&mut [0; 256])
    });
    if let Err(error) = sent {
        tracing::warn!(error = %error, "failed to report the failed start");
    }
}
