//! The loop itself: epoll, sending what is due, reading and checking what comes.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::buffer::spare_capacity;
use rustix::event::epoll;

use super::check::{excerpt, holds_all};
use super::connection::Connection;
use super::schedule::Schedule;
use super::{Moment, Outcome, Plan};
use crate::host;
use crate::stream::Stream;
use crate::wire::Fault;

/// Drives the connections of one run.
pub(super) struct Driver<'a> {
    plan: &'a Plan<'a>,
    epoll: rustix::fd::OwnedFd,
    connections: Vec<Connection>,
    idle: VecDeque<usize>,
    hints: Vec<usize>,
    counting: bool,
    last_answer: Instant,
    pub(super) outcome: Outcome,
}

/// How long a gentle run sleeps when there is nothing to do.
const NAP: Duration = Duration::from_micros(50);
const STALL: Duration = Duration::from_secs(10);

impl<'a> Driver<'a> {
    pub(super) fn connect(plan: &'a Plan<'a>) -> anyhow::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut driver = Self {
            plan,
            epoll,
            connections: Vec::with_capacity(plan.connections),
            idle: (0..plan.connections).collect(),
            hints: Vec::new(),
            counting: false,
            last_answer: Instant::now(),
            outcome: Outcome {
                next: plan.first,
                ..Outcome::default()
            },
        };
        for index in 0..plan.connections {
            let stream = driver.open(index)?;
            driver
                .connections
                .push(Connection::new(stream, plan.protocol));
        }
        Ok(driver)
    }

    fn open(&self, index: usize) -> anyhow::Result<Stream> {
        let stream = Stream::connect(self.plan.address, self.plan.tls.as_ref())
            .with_context(|| format!("cannot connect to {}", self.plan.address))?;
        stream.socket().set_nonblocking(true)?;
        let interest = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::ET;
        epoll::add(
            &self.epoll,
            &stream,
            epoll::EventData::new_u64(index as u64),
            interest,
        )?;
        Ok(stream)
    }

    pub(super) fn drive(&mut self, watch: &mut dyn FnMut(Moment)) -> anyhow::Result<()> {
        let begin = Instant::now();
        let mut schedule = Schedule::new(self.plan.pace, begin);
        let mut events = Vec::with_capacity(512);
        let mut counted_from = begin;
        let mut own_cpu = 0.0;
        let (start_at, end_at) = (
            begin + self.plan.warm_up,
            begin + self.plan.warm_up + self.plan.measure,
        );
        self.last_answer = begin;
        loop {
            let now = Instant::now();
            if !self.counting && now >= start_at {
                self.counting = true;
                watch(Moment::Start);
                (counted_from, own_cpu) = (Instant::now(), host::own_thread_cpu());
            }
            if now >= end_at {
                break;
            }
            if now.duration_since(self.last_answer) > STALL {
                bail!("{} has answered nothing for {STALL:?}", self.plan.address);
            }
            self.send_what_is_due(&mut schedule, now)?;
            epoll::wait(
                &self.epoll,
                spare_capacity(&mut events),
                Some(&schedule.patience()),
            )?;
            if events.is_empty() && self.plan.gentle {
                std::thread::sleep(NAP);
            }
            for event in events.drain(..) {
                self.on_event(usize::try_from(event.data.u64())?, event.flags)?;
            }
        }
        watch(Moment::End);
        self.outcome.seconds = counted_from.elapsed().as_secs_f64();
        self.outcome.own_cpu = host::own_thread_cpu() - own_cpu;
        self.outcome.unsent = schedule.unsent(end_at);
        Ok(())
    }

    fn send_what_is_due(&mut self, schedule: &mut Schedule, now: Instant) -> anyhow::Result<()> {
        while let Some(&index) = self.idle.front() {
            let Some(due) = schedule.take_due(now) else {
                return Ok(());
            };
            self.idle.pop_front();
            self.send(index, due)?;
        }
        Ok(())
    }

    fn send(&mut self, index: usize, due: Instant) -> anyhow::Result<()> {
        let exchanges = &self.plan.exchanges;
        let (exchange, key) = self
            .plan
            .asking
            .of(self.outcome.next, index, exchanges.len());
        self.outcome.next += 1;
        self.connections[index].take_up(exchange, &exchanges[exchange], key, due);
        self.write_on(index)
    }

    fn write_on(&mut self, index: usize) -> anyhow::Result<()> {
        let connection = &mut self.connections[index];
        let request = &connection.output;
        while connection.unwritten > 0 {
            match connection
                .stream
                .write(&request[request.len() - connection.unwritten..])
            {
                Ok(written) => connection.unwritten -= written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return self.broke(index, &error.to_string()),
            }
        }
        match connection.stream.flush() {
            Err(error) if error.kind() != ErrorKind::WouldBlock => {
                self.broke(index, &error.to_string())
            }
            _ => Ok(()),
        }
    }

    fn on_event(&mut self, index: usize, flags: epoll::EventFlags) -> anyhow::Result<()> {
        if flags.contains(epoll::EventFlags::OUT) && self.connections[index].unwritten > 0 {
            self.write_on(index)?;
        }
        if flags.intersects(epoll::EventFlags::IN | epoll::EventFlags::HUP | epoll::EventFlags::ERR)
        {
            self.read_on(index)?;
        }
        Ok(())
    }

    fn read_on(&mut self, index: usize) -> anyhow::Result<()> {
        loop {
            let connection = &mut self.connections[index];
            if connection.filled == connection.input.len() {
                connection.input.resize(connection.input.len() * 2, 0);
            }
            let room = connection.input.len() - connection.filled;
            match connection
                .stream
                .read(&mut connection.input[connection.filled..])
            {
                Ok(0) => return self.broke(index, "the server closed the connection"),
                Ok(got) => {
                    connection.filled += got;
                    if let Err(garbled) = self.take_answers(index) {
                        return self.broke(index, garbled);
                    }
                    // A plain socket that gave less than there was room for is empty; TLS may hold another record.
                    if got < room && matches!(self.connections[index].stream, Stream::Plain(_)) {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return self.broke(index, &error.to_string()),
            }
        }
    }

    fn take_answers(&mut self, index: usize) -> Result<(), &'static str> {
        let mut taken = 0;
        loop {
            let connection = &mut self.connections[index];
            let expected = &self.plan.exchanges[connection.exchange].answers;
            let bytes = &connection.input[taken..connection.filled];
            if bytes.is_empty() {
                break;
            }
            if connection.answered == expected.len() {
                return Err("an answer to nothing that was asked");
            }
            let complaint = match connection.finder.find(bytes) {
                Ok(None) => break,
                Ok(Some(answer)) => {
                    let right = holds_all(
                        &bytes[answer.body.clone()],
                        &expected[connection.answered],
                        &mut self.hints,
                    );
                    taken += answer.length;
                    (!right).then(|| {
                        format!(
                            "not the answer that was due: {}",
                            excerpt(&bytes[answer.body])
                        )
                    })
                }
                Err(Fault::Refused(answer)) => {
                    taken += answer.length;
                    Some(format!("refused: {}", excerpt(&bytes[..answer.length])))
                }
                Err(Fault::Garbled(why)) => return Err(why),
            };
            connection.answered += 1;
            let done = connection.answered == expected.len();
            if let Some(complaint) = complaint {
                self.outcome.wrong += 1;
                self.outcome.first_complaint.get_or_insert(complaint);
            }
            if done {
                self.finish(index);
            }
        }
        let connection = &mut self.connections[index];
        connection.input.copy_within(taken..connection.filled, 0);
        connection.filled -= taken;
        Ok(())
    }

    fn finish(&mut self, index: usize) {
        let connection = &self.connections[index];
        self.last_answer = Instant::now();
        if self.counting {
            self.outcome.reads += self.plan.exchanges[connection.exchange].reads;
            self.outcome
                .latency
                .record(self.last_answer.saturating_duration_since(connection.since));
        }
        self.idle.push_back(index);
    }

    /// Replaces a broken connection; what it was sending counts as wrong.
    fn broke(&mut self, index: usize, why: &str) -> anyhow::Result<()> {
        self.outcome.broken += 1;
        self.outcome
            .first_complaint
            .get_or_insert_with(|| why.to_owned());
        if self.outcome.broken > 1_000 {
            bail!(
                "{} breaks connections again and again: {why}",
                self.plan.address
            );
        }
        let was_busy = !self.idle.contains(&index);
        let stream = self.open(index)?;
        let connection = &mut self.connections[index];
        connection.stream = stream;
        (connection.filled, connection.unwritten) = (0, 0);
        if was_busy {
            self.outcome.wrong += 1;
            self.idle.push_back(index);
        }
        Ok(())
    }
}
