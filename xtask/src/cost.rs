//! `cargo xtask cost`: what an installation costs a month. Counts, measured at the DynamoDB engine of the tests, times a table of prices.

mod model;
mod prices;
mod units;

use std::{fmt::Write as _, process::ExitCode};

use anyhow::Context as _;

use self::{
    model::{Calls, Delivery, Installation, Term, sum},
    units::Units,
};
use crate::command::root;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Write the tables into `docs/` instead of printing them
    #[arg(long)]
    write: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    for page in PAGES {
        let table = (page.table)()?;
        if args.write {
            let path = root().join(page.path);
            let text = std::fs::read_to_string(&path)?;
            std::fs::write(path, page.with(&text, &table)?)?;
        } else {
            println!("{table}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// US dollars a month of 1,000 idle accounts in 17 Regions, with a heartbeat and a look a day.
pub(crate) fn idle() -> anyhow::Result<f64> {
    Ok(sum(&SEVENTEEN_THOUSAND.idle(&Units::read()?)?))
}

/// A page with a table between two marks.
struct Page {
    path: &'static str,
    mark: &'static str,
    table: fn() -> anyhow::Result<String>,
}

const PAGES: &[Page] = &[
    Page { path: "docs/operating.md", mark: "<!-- cost of an idle installation -->\n", table: idle_table },
    Page { path: "docs/operating.md", mark: "<!-- cost of calls -->\n", table: calls_table },
    Page { path: "docs/sizing.md", mark: "<!-- load -->\n", table: load_table },
    Page { path: "docs/aws/prices-and-limits.md", mark: "<!-- prices -->\n", table: price_table },
];

impl Page {
    const END: &'static str = "<!-- end -->";

    /// The page with this table in its place.
    fn with(&self, text: &str, table: &str) -> anyhow::Result<String> {
        let lacks = || format!("{} has no place for {}", self.path, self.mark.trim());
        let (before, rest) = text.split_once(self.mark).with_context(lacks)?;
        let (_, after) = rest.split_once(Self::END).with_context(lacks)?;
        Ok(format!("{before}{}{table}{}{after}", self.mark, Self::END))
    }
}

const SEVENTEEN_THOUSAND: Installation = Installation {
    accounts: 1_000.0,
    regions: 17.0,
    delivery: Delivery::Direct,
    heartbeat_minutes: 1_440.0,
    look_minutes: 1_440.0,
    days: 1.0,
};

/// Accounts and Regions of the columns.
const SIZES: [(f64, f64); 4] = [(1.0, 1.0), (50.0, 2.0), (1_000.0, 2.0), (1_000.0, 17.0)];

fn usd(amount: f64) -> String {
    match amount {
        _ if amount <= 0.0 => "0".to_owned(),
        _ if amount < 0.005 => "below 0.01".to_owned(),
        _ if amount < 100.0 => format!("{amount:.2}"),
        _ => {
            let whole = format!("{amount:.0}");
            let (thousands, rest) = whole.split_at(whole.len().saturating_sub(3));
            if thousands.is_empty() { whole } else { format!("{thousands},{rest}") }
        }
    }
}

fn row(table: &mut String, name: &str, amounts: impl IntoIterator<Item = f64>) {
    let _ = writeln!(table, "| {name} | {} |", amounts.into_iter().map(usd).collect::<Vec<_>>().join(" | "));
}

fn idle_table() -> anyhow::Result<String> {
    let units = Units::read()?;
    let of = |(accounts, regions): (f64, f64)| Installation { accounts, regions, ..SEVENTEEN_THOUSAND };
    let columns: Vec<Vec<Term>> = SIZES.iter().map(|size| of(*size).idle(&units)).collect::<anyhow::Result<_>>()?;
    let mut table =
        "| A month, nothing happens; accounts × Regions | 1 × 1 | 50 × 2 | 1,000 × 2 | 1,000 × 17 |\n|---|---|---|---|---|\n".to_owned();
    let names = columns.first().into_iter().flatten().map(|term| term.name);
    for (index, name) in names.enumerate() {
        row(&mut table, name, columns.iter().filter_map(|terms| terms.get(index)).map(|term| term.usd));
    }
    let mut totals = |name: &str, change: fn(Installation) -> Installation| -> anyhow::Result<()> {
        let amounts = SIZES.iter().map(|size| Ok(sum(&change(of(*size)).idle(&units)?))).collect::<anyhow::Result<Vec<f64>>>()?;
        row(&mut table, name, amounts);
        Ok(())
    };
    totals("**in all**: a heartbeat and a look a day, on day 1", |of| of)?;
    totals("the same on day 400", |of| Installation { days: 400.0, ..of })?;
    totals("a heartbeat an hour and a look a day", |of| Installation { heartbeat_minutes: 60.0, ..of })?;
    totals("a heartbeat and a look an hour", |of| Installation { heartbeat_minutes: 60.0, look_minutes: 60.0, ..of })?;
    totals("the same on day 400", |of| Installation { heartbeat_minutes: 60.0, look_minutes: 60.0, days: 400.0, ..of })?;
    totals("members with a queue of calls, a heartbeat and a look a day", |of| Installation { delivery: Delivery::Queued, ..of })?;
    totals("members that forward, a heartbeat and a look a day", |of| Installation { delivery: Delivery::Forwarded, ..of })?;
    let copies = |minutes: f64| {
        let each = |size: &(f64, f64)| Installation { heartbeat_minutes: minutes, look_minutes: minutes, ..of(*size) }.copies(&units);
        SIZES.iter().map(each).collect::<anyhow::Result<Vec<f64>>>()
    };
    row(&mut table, "besides, if a second trail copies heartbeats and looks of each day", copies(1_440.0)?);
    row(&mut table, "besides, if a second trail copies those of each hour", copies(60.0)?);
    Ok(table)
}

fn calls_table() -> anyhow::Result<String> {
    let units = Units::read()?;
    let mut table =
        "| A million calls | a million a month: events directly | by queues | forwarded | ten million a day: by queues | on day 400 |\n\
        |---|---|---|---|---|---|\n"
            .to_owned();
    for (kind, name) in [("compliant", "compliant"), ("violating", "violations")] {
        let slow = Calls { kind, a_day: 1e6 / 30.4, delivery: Delivery::Direct, days: 1.0 };
        let fast = Calls { a_day: 1e7, delivery: Delivery::Queued, ..slow };
        let columns = [
            slow,
            Calls { delivery: Delivery::Queued, ..slow },
            Calls { delivery: Delivery::Forwarded, ..slow },
            fast,
            Calls { days: 400.0, ..fast },
        ];
        let columns: Vec<Vec<Term>> = columns.iter().map(|calls| calls.a_million(&units)).collect::<anyhow::Result<_>>()?;
        let names = columns.first().into_iter().flatten().map(|term| term.name);
        for (index, term) in names.enumerate() {
            let amounts: Vec<f64> = columns.iter().filter_map(|terms| terms.get(index)).map(|term| term.usd).collect();
            if amounts.iter().any(|amount| *amount > 0.0) {
                row(&mut table, &format!("{name}: {term}"), amounts);
            }
        }
        row(&mut table, &format!("**{name}, in all**"), columns.iter().map(|terms| sum(terms)));
    }
    Ok(table)
}

fn load_table() -> anyhow::Result<String> {
    let mut table = "| Accounts × Regions | Minutes | Heartbeats and looks an hour | Instances of `fold-findings` that they keep busy, of 20 | of `reconcile` | \
        All accounts judged again, in seconds |\n|---|---|---|---|---|---|\n"
        .to_owned();
    for (accounts, regions) in [(10.0, 2.0), (100.0, 2.0), (1_000.0, 2.0), (1_000.0, 17.0)] {
        for minutes in [60.0, 1_440.0] {
            let size = Installation { accounts, regions, heartbeat_minutes: minutes, look_minutes: minutes, ..SEVENTEEN_THOUSAND };
            let load = size.load();
            writeln!(
                table,
                "| {accounts} × {regions} | {minutes} | {:.0} | {:.1} | {:.1} | {:.1} |",
                load.an_hour, load.folds, load.looks, load.all_again
            )?;
        }
    }
    Ok(table)
}

fn price_table() -> anyhow::Result<String> {
    let mut table = format!("| {} | US dollars | Grade |\n|---|---|---|\n", prices::AS_OF);
    for price in prices::ALL {
        writeln!(table, "| {} | {} for {} | {} |", price.what, price.usd, price.unit, price.grade)?;
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_have_the_tables_of_today() {
        for page in PAGES {
            let path = root().join(page.path);
            let text = std::fs::read_to_string(&path).unwrap();
            let current = page.with(&text, &(page.table)().unwrap()).unwrap();
            if std::env::var_os("UPDATE_DOCS").is_some() {
                std::fs::write(path, current).unwrap();
            } else {
                assert!(current == text, "{} is not current: cargo xtask cost --write", page.path);
            }
        }
    }

    #[test]
    fn what_is_idle_longer_or_asked_more_often_costs_more() {
        let units = Units::read().unwrap();
        let of = |change: fn(Installation) -> Installation| sum(&change(SEVENTEEN_THOUSAND).idle(&units).unwrap());
        let daily = of(|of| of);
        assert!(daily > 0.0);
        assert!(of(|of| Installation { heartbeat_minutes: 60.0, ..of }) > daily);
        assert!(of(|of| Installation { look_minutes: 60.0, ..of }) > daily);
        // A queue in each of 17,000 accounts and Regions, at 0.26 USD.
        let queues = of(|of| Installation { delivery: Delivery::Queued, ..of });
        assert!((queues - daily - 4_467.0).abs() < 10.0, "{queues} {daily}");
    }
}
