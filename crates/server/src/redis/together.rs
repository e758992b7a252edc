//! Many commands in one trip. Those of a group happen at once or not at all, as far as Redis can do that.
//!
//! Must not know: what is asked.

use futures_util::future::join_all;
use redis::aio::ConnectionLike;
use redis::cluster_async::ClusterConnection;
use redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisResult, ServerErrorKind, Value};

use super::link::Link;
use super::open::Connection;
use super::trouble::Trouble;

/// What was answered to the commands of a group, in order; errors of single ones, such as a key of another type, among them.
type Answers<E> = Result<Vec<Value>, E>;

impl Link {
    /// Asks all groups in one trip, in this order; in a cluster each by itself, and a group whose keys lie apart command by
    /// command. Once more on a new connection where the old one is of no more use.
    pub(crate) async fn ask_together(
        &self,
        groups: &[Vec<Cmd>],
    ) -> Result<Vec<Answers<Trouble>>, Trouble> {
        match self.try_together(groups).await {
            Err(trouble) if self.is_asked_again(&trouble) => self.try_together(groups).await,
            done => done,
        }
    }

    async fn try_together(&self, groups: &[Vec<Cmd>]) -> Result<Vec<Answers<Trouble>>, Trouble> {
        let live = self.live().await?;
        let answers = match live.connection.together(groups).await {
            Ok(answers) => answers,
            Err(error) => return Err(self.failed(&live, &error).await),
        };
        let mut named = Vec::with_capacity(answers.len());
        for answer in answers {
            named.push(match answer {
                Ok(values) => Ok(values),
                Err(error) => {
                    let trouble = self.failed(&live, &error).await;
                    if self.is_gone(&trouble) {
                        return Err(trouble);
                    }
                    Err(trouble)
                }
            });
        }
        if named.iter().all(Result::is_ok) {
            self.fine();
        }
        Ok(named)
    }
}

impl Connection {
    async fn together(&self, groups: &[Vec<Cmd>]) -> RedisResult<Vec<Answers<RedisError>>> {
        match self.clone() {
            Self::One(mut connection) => {
                let (pipeline, lengths) = pipeline(groups);
                let mut answers = connection
                    .req_packed_commands(&pipeline, 0, pipeline.len())
                    .await?
                    .into_iter();
                let each = lengths.into_iter().map(|length| {
                    let answers: Vec<Value> = answers.by_ref().take(length).collect();
                    if answers.len() == length {
                        of_group(answers)
                    } else {
                        Err(incomplete())
                    }
                });
                Ok(each.collect())
            }
            Self::Cluster(connection) => {
                let each = groups
                    .iter()
                    .map(|group| in_cluster(connection.clone(), group));
                Ok(join_all(each).await)
            }
        }
    }
}

async fn in_cluster(mut connection: ClusterConnection, group: &[Cmd]) -> Answers<RedisError> {
    let (whole, _) = pipeline(std::slice::from_ref(&group.to_vec()));
    match connection.req_packed_commands(&whole, 0, whole.len()).await {
        Ok(answers) => of_group(answers),
        Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::CrossSlot) => {
            let mut answers = Vec::with_capacity(group.len());
            for command in group {
                answers.push(command.query_async(&mut connection).await?);
            }
            Ok(answers)
        }
        Err(error) => Err(error),
    }
}

/// All groups in a row, and how many answers each has.
fn pipeline(groups: &[Vec<Cmd>]) -> (Pipeline, Vec<usize>) {
    let mut pipeline = redis::pipe();
    let mut lengths = Vec::with_capacity(groups.len());
    for group in groups {
        let alone = group.len() == 1;
        if !alone {
            pipeline.cmd("MULTI");
        }
        for command in group {
            pipeline.add_command(command.clone());
        }
        if !alone {
            pipeline.cmd("EXEC");
        }
        lengths.push(if alone { 1 } else { group.len() + 2 });
    }
    (pipeline, lengths)
}

fn of_group(mut answers: Vec<Value>) -> Answers<RedisError> {
    // A command that was refused when it was queued is the reason why nothing was done.
    let queued = answers.len().saturating_sub(1);
    if let Some(refused) = answers
        .iter()
        .take(queued)
        .find(|answer| matches!(answer, Value::ServerError(_)))
    {
        refused.clone().extract_error()?;
    }
    match answers.pop() {
        Some(Value::Array(values)) if queued > 0 => Ok(values),
        Some(Value::ServerError(error)) => Err(error.into()),
        Some(value) if queued == 0 => Ok(vec![value]),
        _ => Err(incomplete()),
    }
}

fn incomplete() -> RedisError {
    (
        ErrorKind::UnexpectedReturnType,
        "not every command was answered",
    )
        .into()
}
