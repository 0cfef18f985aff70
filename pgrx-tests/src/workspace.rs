//! Where this workspace is, and what cargo made of it.

use std::env;
use std::path::{Path, PathBuf};

/// The directory of the workspace.
pub fn workspace_root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_owned()
}

/// Where cargo may have put its output, likeliest first.
pub(crate) fn target_dirs() -> Vec<PathBuf> {
    let mut dirs = Vec::new();
    dirs.extend(env::var_os("CARGO_TARGET_DIR").map(PathBuf::from));
    // This program is <target>/<profile>/name, a test <target>/<profile>/deps/name.
    if let Ok(current) = env::current_exe() {
        dirs.extend(current.ancestors().skip(2).take(2).map(Path::to_owned));
    }
    dirs.push(workspace_root().join("target"));
    dirs
}
