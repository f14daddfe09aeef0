use audit_core::{auditor::{self, Selection, Terms}, config::Configuration, moment::Moment};
use audit_local::{input, scan::{self, Options}};
fn main() {
    let mut args = std::env::args().skip(1);
    let path = args.next().unwrap();
    let threads = args.next().map_or(1, |t| t.parse().unwrap());
    let world = args.next().map(|w| audit_local::world::load(std::path::Path::new(&w)).unwrap().world).unwrap_or_default();
    let t = std::time::Instant::now();
    let inputs = input::list(&[path.into()], &[]).unwrap();
    let wanted = auditor::wanted();
    let mut scanned = scan::scan(&inputs, &wanted, &Options { threads, ..Options::default() });
    let read = scanned.counts.read;
    println!("scan {:?} {:.3} us/rec read {read} taken {} unreadable {}", t.elapsed(), t.elapsed().as_secs_f64() * 1e6 / read as f64, scanned.facts.taken(), scanned.counts.unreadable);
    println!("{}", std::fs::read_to_string("/proc/self/status").unwrap().lines().filter(|l| l.starts_with("VmHWM") || l.starts_with("VmRSS")).collect::<Vec<_>>().join(" "));
    let t = std::time::Instant::now();
    let c = Configuration::default(); let s = Selection::default();
    let audit = auditor::audit(std::mem::take(&mut scanned.facts), world, &Terms { configuration: &c, selection: &s, now: Moment::parse("2026-11-22T00:00:00Z").unwrap() });
    println!("audit {:?} {:.3} us/rec judged {} dup {} {:?} coverage {} findings {} blind {}", t.elapsed(), t.elapsed().as_secs_f64() * 1e6 / read as f64, audit.judged, audit.duplicates, audit.invocations, audit.coverage.len(), audit.findings.len(), audit.blind.len());
    println!("{}", std::fs::read_to_string("/proc/self/status").unwrap().lines().filter(|l| l.starts_with("VmHWM") || l.starts_with("VmRSS")).collect::<Vec<_>>().join(" "));
}
