import Glibc
public import ShardKit

/// Hosts without a scheduler that share a folder, reached by the system's `ssh`. Each has places for some jobs; jobs
/// that find none wait.
///
/// A job writes its host and process into the batch's folder before it begins, so that no driver starts it twice.
public struct SSHCluster: Cluster {
  public let name = "ssh"
  public let mostGroups = 100_000
  /// Places become free at any time, and asking is mostly looking at files.
  public let pollSeconds = 1
  let profile: SiteProfile

  /// - Throws: nothing; hosts are asked when jobs start.
  public init(profile: SiteProfile) throws(ClusterError) { self.profile = profile }

  /// Where a job runs.
  private struct Place: JSONRecord {
    var host: String
    var process: Int
  }

  private let silence = Silence()

  /// Hosts that do not answer: since when, and when they are asked again.
  private final class Silence: Sendable {
    private let hosts = Monitor<[String: (since: Double, until: Double)]>([:])

    func note(_ host: String, answers: Bool) {
      hosts.with { hosts in
        let now = monotonicSeconds()
        hosts[host] = answers ? nil : (hosts[host]?.since ?? now, now + 60)
      }
    }

    func isAsked(_ host: String) -> Bool { hosts.with { $0[host].map { monotonicSeconds() >= $0.until } ?? true } }

    /// Seconds that a host has not answered for.
    func seconds(_ host: String) -> Double { hosts.with { $0[host].map { monotonicSeconds() - $0.since } ?? 0 } }
  }

  /// Seconds without an answer or a heartbeat after which a host is taken for lost.
  private static let lostSeconds = 300.0

  private func placePath(_ folder: BatchFolder, _ group: Int) -> String { "\(folder.groups)/\(group).place" }

  private func place(_ folder: BatchFolder, _ group: Int) -> Place? {
    try? Place(jsonFile: placePath(folder, group), limit: 4096)
  }

  /// Its arguments are the group and the host. The folder is readable by this user alone, as variables may be secrets.
  public func script(_ batch: JobBatch, in folder: BatchFolder) -> String {
    let place = #"printf '{"host":"%s","process":%s}' "$2" $$ >"$folder/groups/$1.place.$$""#
    return
      (["#!/bin/bash", "cd \(shellQuoted(batch.folder)) || exit 1", "folder=\(shellQuoted(folder.path))", place]
      // The first of two that were started for the same group goes on.
      + ["ln \"$folder/groups/$1.place.$$\" \"$folder/groups/$1.place\" || exit 0"]
      + profile.environment.sorted { $0.key < $1.key }.map { "export \($0.key)=\(shellQuoted($0.value))" }
      + JobScript(profile: profile, batch: batch, folder: folder).lines(group: "$1", job: "\(batch.id)_$1"))
      .joined(separator: "\n") + "\n"
  }

  /// The jobs start when their states are asked for and places are free.
  public func submit(_ batch: JobBatch, in folder: BatchFolder) throws(ClusterError) -> String { batch.id }

  public func find(jobName: String) throws(ClusterError) -> [String] { [] }

  // MARK: Watching

  /// One job of a batch.
  private struct Member: Sendable {
    var job: ClusterJob
    var group: Int
    var process = 0
    var host = ""
  }

  /// A heartbeat younger than this many seconds shows that a job is alive, without asking its host.
  private var freshSeconds: Double { max(30, 3 * Double(profile.heartbeatSeconds)) }
  /// Hosts that are asked at the same time.
  private static let hostsAtOnce = 16

  public func states(of jobs: [ClusterJob]) throws(ClusterError) -> [String: [Int: JobState]] {
    var states: [String: [Int: JobState]] = [:]
    var taken: [String: Int] = [:]
    var doubtful: [String: [Member]] = [:]
    var waiting: [Member] = []
    for job in jobs {
      for group in job.batch.groups.indices where !FileSystem.exists(job.folder.end(group)) {
        guard let place = place(job.folder, group) else {
          let isLeft = profile.hosts.keys.contains { !job.batch.excluded.contains($0) }
          states[job.number, default: [:]][group] = .waiting(reason: isLeft ? "no place is free" : Self.noHostLeft)
          waiting.append(Member(job: job, group: group))
          continue
        }
        taken[place.host, default: 0] += 1
        states[job.number, default: [:]][group] = .running(node: place.host)
        if !isFresh(job.folder, group) {
          doubtful[place.host, default: []].append(Member(job: job, group: group, process: place.process))
        }
      }
    }
    for (host, dead) in findDead(doubtful) {
      let end = silence.seconds(host) > Self.lostSeconds ? JobEnd.nodeFailure : .failed
      for member in dead { states[member.job.number, default: [:]][member.group] = .ended(end, node: host) }
    }
    try start(waiting, taken, &states)
    return states
  }

  private func isFresh(_ folder: BatchFolder, _ group: Int) -> Bool {
    let files = [folder.heartbeat(group), placePath(folder, group)].compactMap(FileSystem.status)
    return files.contains { abs(wallSeconds() - Double($0.modified) / 1e9) < freshSeconds }
  }

  /// Jobs whose process their host does not have, or whose host is lost. Of one that has not answered for a short time,
  /// nothing is known.
  private func findDead(_ doubtful: [String: [Member]]) -> [String: [Member]] {
    let answers = answers(
      doubtful.mapValues { members in
        // Another process may have the number of one that ended.
        members.map {
          "grep -qsF \(shellQuoted($0.job.folder.script)) /proc/\($0.process)/cmdline && echo \($0.process)"
        }
        .joined(separator: "\n") + "\ntrue"
      })
    var dead = doubtful.filter { answers[$0.key] == nil && silence.seconds($0.key) > Self.lostSeconds }
    for (host, answer) in answers {
      let alive = Set(answer.split(separator: "\n").compactMap { Int($0) })
      dead[host] = doubtful[host, default: []].filter { !alive.contains($0.process) }
    }
    return dead
  }

  /// Starts what finds a place, on the emptiest hosts first.
  private func start(
    _ waiting: [Member], _ taken: [String: Int], _ states: inout [String: [Int: JobState]]
  ) throws(ClusterError) {
    var taken = taken
    var chosen: [String: [Member]] = [:]
    for member in waiting {
      let free = profile.hosts.filter { host, places in
        !member.job.batch.excluded.contains(host) && taken[host, default: 0] < places && silence.isAsked(host)
      }
      guard let host = free.keys.min(by: { (taken[$0, default: 0], $0) < (taken[$1, default: 0], $1) }) else {
        continue
      }
      taken[host, default: 0] += 1
      var member = member
      member.host = host
      chosen[host, default: []].append(member)
    }
    guard !chosen.isEmpty else { return }
    let started = answers(chosen.mapValues { $0.map(command).joined(separator: "\n") + "\ntrue" })
    for host in started.keys {
      for member in chosen[host, default: []] {
        states[member.job.number, default: [:]][member.group] = .running(node: host)
      }
    }
    if started.isEmpty {
      throw ClusterError(.silent, "ssh", "none of these hosts answers: \(chosen.keys.sorted().joined(separator: ", "))")
    }
  }

  /// Starts a job in a session of its own, so that it outlives the connection, and waits until it has said so.
  private func command(_ member: Member) -> String {
    let folder = member.job.folder
    let host = shellQuoted(member.host)
    let place = shellQuoted(placePath(folder, member.group))
    return "setsid nohup \(profile.shell) \(shellQuoted(folder.script)) \(member.group) \(host) "
      + ">>\(shellQuoted(folder.output(member.group))) 2>&1 </dev/null & "
      + "for i in $(seq 100); do [ -e \(place) ] && break; sleep 0.05; done"
  }

  /// What a command prints on each host; hosts that do not answer are missing.
  private func answers(_ commands: [String: String]) -> [String: String] {
    let hosts = commands.keys.sorted()
    let found = Monitor<[String: String]>([:])
    try? inParallel(hosts.count, atOnce: Self.hostsAtOnce, lane: {}) { place, _ in
      let host = hosts[place]
      guard silence.isAsked(host) else { return }
      let answer = try self.ask(host, commands[host]!)
      silence.note(host, answers: answer != nil)
      if let answer { found.with { $0[host] = answer } }
    }
    return found.with { $0 }
  }

  /// What a command on a host prints; nil if the host does not answer.
  private func ask(_ host: String, _ command: String) throws(ClusterError) -> String? {
    do throws(ShardError) {
      let words = profile.ssh + [host, command]
      let result = try ChildCommand(words[0], Array(words.dropFirst()), timeoutSeconds: 60).run()
      // ssh itself fails with 255.
      return result.status == 0 ? String(decoding: result.output, as: UTF8.self) : nil
    } catch {
      guard error.code == .notFound else { return nil }
      throw ClusterError(.refused, profile.ssh.first ?? "ssh", "is not installed", hint: "Install an ssh client.")
    }
  }

  public func cancel(_ jobs: [ClusterJob], waitingOnly: Bool) throws(ClusterError) {
    var members: [String: [Member]] = [:]
    for job in jobs {
      for group in job.batch.groups.indices where !FileSystem.exists(job.folder.end(group)) {
        if let place = place(job.folder, group) {
          members[place.host, default: []].append(Member(job: job, group: group, process: place.process))
        } else {
          // Ends without having begun.
          try? FileSystem.write(Array("0\n".utf8), to: job.folder.end(group))
        }
      }
    }
    guard !waitingOnly else { return }
    // Each leads a process group. One that does not end is ended.
    _ = answers(members.mapValues { own in own.map(Self.ending).joined(separator: "\n") + "\ntrue" })
  }

  private static let secondsToEnd = 15

  private static func ending(_ member: Member) -> String {
    let isAlive = "grep -qsF \(shellQuoted(member.job.folder.script)) /proc/\(member.process)/cmdline"
    let killing = "(sleep \(secondsToEnd); \(isAlive) && kill -KILL -\(member.process)) >/dev/null 2>&1 </dev/null &"
    return "\(isAlive) && { kill -TERM -\(member.process); \(killing) }"
  }

  /// All hosts are kept away from.
  private static let noHostLeft = "no host is left"

  public func isHopeless(_ reason: String) -> Bool { reason == Self.noHostLeft }

  public func checks() -> [ClusterCheck] {
    profile.hosts.keys.sorted().map { host in
      let answer = (try? ask(host, "nproc; uname -m")) ?? nil
      guard let answer else {
        return ClusterCheck(
          name: "host", isGood: false,
          finding: "\(host) cannot be reached with `\(profile.ssh.joined(separator: " "))`",
          advice: "Try the command by hand: it must not ask for a password.")
      }
      let words = answer.split(separator: "\n")
      return ClusterCheck(
        name: "host", isGood: true,
        finding:
          "\(host) has \(words.first ?? "?") processors (\(words.last ?? "?")), \(profile.hosts[host]!) jobs at once")
    }
  }
}
