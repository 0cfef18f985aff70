//! The statements of `docs/install.md`, as an administrator would type them: every private stack is set up with these,
//! so that the document cannot say what does not work.

use anyhow::{Result, ensure};

/// The document.
pub(crate) const INSTALL: &str = include_str!("../../docs/install.md");

/// The section that makes the owner of the tables, and has it set raw_ops up.
pub const OWNER: &str = "### As an owner who is no superuser";
/// The section that makes the role of the shim.
pub const SHIM: &str = "### Its role";
/// The database's name in the document.
const DATABASE: &str = " DATABASE shop ";

/// Who is to run a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `=#` in the document.
    Superuser,
    /// `=>` in the document: the owner of the tables.
    Owner,
}

/// One statement to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Who is to run it.
    pub role: Role,
    /// Its text.
    pub sql: String,
}

/// The statements of a section, in order, for a database of this name (in quotes where needed).
pub fn statements(section: &str, database: &str) -> Result<Vec<Statement>> {
    let lines = INSTALL
        .lines()
        .skip_while(|line| *line != section)
        .skip(1)
        .take_while(|line| !line.starts_with('#'));
    let mut found: Vec<Statement> = Vec::new();
    let mut is_open = false;
    for line in lines {
        let begun = [("    =# ", Role::Superuser), ("    => ", Role::Owner)]
            .into_iter()
            .find_map(|(prompt, role)| Some((role, line.strip_prefix(prompt)?)));
        match (begun, found.last_mut()) {
            (Some((role, text)), _) => found.push(Statement {
                role,
                sql: text.to_owned(),
            }),
            (None, Some(last)) if is_open => {
                last.sql.push('\n');
                last.sql.push_str(line);
            }
            _ => continue,
        }
        is_open = !line.trim_end().ends_with(';');
    }
    ensure!(
        !found.is_empty(),
        "docs/install.md has no statements under {section:?}"
    );
    for statement in &mut found {
        statement.sql = statement.sql.replace(DATABASE, &format!(" DATABASE {database} "));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_says_who_runs_what() {
        let owner = statements(OWNER, "\"other\"").unwrap();
        let text = |role: Role| -> Vec<&str> {
            let of_role = owner.iter().filter(|statement| statement.role == role);
            of_role.map(|statement| statement.sql.as_str()).collect()
        };
        assert_eq!(text(Role::Superuser)[0], "CREATE ROLE shop_owner LOGIN;");
        assert!(text(Role::Superuser).contains(&"GRANT CONNECT ON DATABASE \"other\" TO shop_owner;"));
        assert_eq!(
            text(Role::Owner),
            ["SELECT raw_ops.setup();", "SELECT raw_ops.fn_schedule_jobs_v1();"]
        );
        let shim = statements(SHIM, "shop").unwrap();
        assert!(
            shim.iter().all(|statement| statement.sql.ends_with(';')),
            "{shim:?}"
        );
        assert!(statements("### No such section", "shop").is_err());
    }
}
