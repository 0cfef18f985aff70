//! Which path behaves how.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use super::{Received, Reply};

/// What a path does with a request.
#[derive(Clone)]
pub struct Behaviour(Arc<dyn Fn(&Received) -> Reply + Send + Sync>);

impl Behaviour {
    pub(super) fn reply(&self, request: &Received) -> Reply {
        (self.0)(request)
    }
}

impl fmt::Debug for Behaviour {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Behaviour")
    }
}

impl From<Reply> for Behaviour {
    fn from(reply: Reply) -> Self {
        Self(Arc::new(move |_| reply.clone()))
    }
}

impl<F: Fn(&Received) -> Reply + Send + Sync + 'static> From<F> for Behaviour {
    fn from(function: F) -> Self {
        Self(Arc::new(function))
    }
}

#[derive(Debug, Default)]
pub(super) struct Script {
    routes: BTreeMap<String, Route>,
}

#[derive(Debug, Default)]
struct Route {
    next: VecDeque<Behaviour>,
    always: Option<Behaviour>,
}

impl Route {
    fn take(&mut self) -> Option<Behaviour> {
        self.next.pop_front().or_else(|| self.always.clone())
    }
}

impl Script {
    pub(super) fn always(&mut self, path: &str, behaviour: Behaviour) {
        self.routes.entry(path.to_owned()).or_default().always = Some(behaviour);
    }

    pub(super) fn next(&mut self, path: &str, behaviours: impl Iterator<Item = Behaviour>) {
        self.routes
            .entry(path.to_owned())
            .or_default()
            .next
            .extend(behaviours);
    }

    /// The behaviour for one request to this path: the exact one, else that of the longest beginning.
    pub(super) fn take(&mut self, path: &str) -> Behaviour {
        if let Some(found) = self.routes.get_mut(path).and_then(Route::take) {
            return found;
        }
        let beginnings = self.routes.iter_mut().filter(|(pattern, _)| {
            pattern
                .strip_suffix('*')
                .is_some_and(|start| path.starts_with(start))
        });
        let mut beginnings: Vec<_> = beginnings.collect();
        beginnings.sort_by_key(|(pattern, _)| std::cmp::Reverse(pattern.len()));
        let found = beginnings.into_iter().find_map(|(_, route)| route.take());
        found.unwrap_or_else(|| Reply::status(404).text("no script for this path").into())
    }
}
