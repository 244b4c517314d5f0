//! Stop sequences in a text that comes in pieces.

use std::sync::Arc;

/// Passes a text on, up to the first stop sequence. What could still become one is held back.
#[derive(Debug, Clone)]
pub(crate) struct StopFilter {
    stops: Arc<[String]>,
    held: String,
}

impl StopFilter {
    pub(crate) fn new(stops: Arc<[String]>) -> Self {
        Self {
            stops,
            held: String::new(),
        }
    }

    /// Takes the next piece and appends to `out` what is certain to be part of the text. True at a stop sequence: it
    /// and all that follows are dropped.
    pub(crate) fn push(&mut self, piece: &str, out: &mut String) -> bool {
        if self.stops.is_empty() {
            out.push_str(piece);
            return false;
        }
        self.held.push_str(piece);
        if let Some(at) = self.stops.iter().filter_map(|stop| self.held.find(stop)).min() {
            out.push_str(&self.held[..at]);
            self.held.clear();
            return true;
        }
        let beginning = |at: &usize| self.stops.iter().any(|stop| stop.starts_with(&self.held[*at..]));
        let mut starts = self.held.char_indices().map(|(at, _)| at);
        let keep = starts.find(beginning).unwrap_or(self.held.len());
        out.push_str(&self.held[..keep]);
        self.held.drain(..keep);
        false
    }

    /// The text has ended: what was held back is part of it.
    pub(crate) fn finish(&mut self, out: &mut String) {
        out.push_str(&self.held);
        self.held.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pieces that come out for the pieces that go in, and whether a stop sequence was met.
    fn filter(stops: &[&str], pieces: &[&str]) -> (Vec<String>, bool) {
        let stops: Vec<String> = stops.iter().map(|&stop| stop.to_owned()).collect();
        let mut filter = StopFilter::new(stops.into());
        let mut out = Vec::new();
        for piece in pieces {
            let mut text = String::new();
            let stopped = filter.push(piece, &mut text);
            out.push(text);
            if stopped {
                return (out, true);
            }
        }
        let mut text = String::new();
        filter.finish(&mut text);
        out.push(text);
        (out, false)
    }

    #[test]
    fn without_stops_everything_passes_at_once() {
        assert_eq!(
            filter(&[], &["a", "b"]),
            (vec!["a".into(), "b".into(), String::new()], false)
        );
    }

    #[test]
    fn a_stop_across_pieces_is_cut_out() {
        let (out, stopped) = filter(&["END"], &["xE", "N", "Dy", "z"]);
        assert_eq!((out.concat().as_str(), stopped), ("x", true));
        // Nothing of the stop sequence was let through early.
        assert_eq!(out, ["x", "", ""]);
    }

    #[test]
    fn what_only_looked_like_a_stop_is_let_go() {
        assert_eq!(filter(&["END"], &["E", "N", "x"]).0, ["", "", "ENx", ""]);
        // Held back at the end of the text.
        assert_eq!(filter(&["END"], &["aEN"]), (vec!["a".into(), "EN".into()], false));
        // The second beginning counts when the first one fails.
        let (out, stopped) = filter(&["aab"], &["a", "a", "a", "b"]);
        assert_eq!((out.concat().as_str(), stopped), ("a", true));
    }

    #[test]
    fn the_earliest_of_several_stops_counts() {
        assert_eq!(filter(&["d", "bc"], &["abcd"]), (vec!["a".into()], true));
        assert_eq!(filter(&["bcx", "cd"], &["ab", "c", "d"]).0.concat(), "ab");
    }

    #[test]
    fn characters_of_several_bytes_are_not_cut() {
        let (out, stopped) = filter(&["éà"], &["ü", "é", "é", "à", "x"]);
        assert_eq!((out.concat().as_str(), stopped), ("üé", true));
    }
}
