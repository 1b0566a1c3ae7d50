import Glibc
import ShardKit
import TestKit
import Testing

@testable import PipelineKit

/// Files that several machines share: growing logs, kinds of file systems, leases.
@Suite struct SharedFileTests {
  private final class Folder: Sendable {
    let path = temporaryDirectory()
    deinit { try? FileSystem.removeTree(path) }
  }

  private let own = Folder()
  private var folder: String { own.path }
  private var log: String { folder + "/log" }

  private func append(_ text: String) throws {
    let earlier = (try? FileSystem.read(log)) ?? []
    try FileSystem.write(earlier + Array(text.utf8), to: log)
  }

  // MARK: Growing files

  @Test func aPartOfAFileIsRead() throws {
    try append("0123456789")
    func text(_ from: Int, _ most: Int = .max) throws -> String {
      String(decoding: try FileTail.read(log, from: from, most: most), as: UTF8.self)
    }
    #expect(try text(0) == "0123456789")
    #expect(try text(4, 3) == "456")
    #expect(try text(8, 100) == "89")
    #expect(try text(10) == "")
    // It was cut off meanwhile.
    #expect(try text(11) == "")
    #expect(throws: ShardError.self) { try FileTail.read(folder + "/missing", from: 0) }
  }

  @Test func theLastLinesAreRead() throws {
    #expect(FileTail.lines(log, last: 3) == [])
    try append("a\nb\n\nc\nd")
    #expect(FileTail.lines(log, last: 3) == ["b", "c", "d"])
    #expect(FileTail.lines(log, last: 0) == [])
    // Only the end of a long file is looked at.
    try append("\n" + String(repeating: "x", count: 70_000) + "\nlast\n")
    let lines = FileTail.lines(log, last: 3)
    #expect(lines.last == "last")
    #expect(lines.count == 2)
    #expect(lines[0].utf8.count < 66_000)
  }

  @Test func aFollowedFileYieldsWholeLinesOnce() throws {
    var file = FollowedFile(log)
    #expect(file.read() == [])
    try append("one\ntw")
    #expect(file.read() == ["one"])
    #expect(file.read() == [])
    try append("o\n\nthree\n")
    #expect(file.read() == ["two", "", "three"])
    #expect(file.read() == [])
  }

  @Test(
    arguments: [
      ("a\nb\nc\n", 2, ["b", "c"]), ("a\nb\n", 5, ["a", "b"]), ("a\nb\n", 0, []),
      ("hello\n\nworld\n", 2, ["", "world"]),
      ("hello\nworld", 1, []), ("hello\nbig\nworld", 2, ["big"]), ("", 3, []), ("\n\n\n", 2, ["", ""]),
      ("a\n日本語\n", 1, ["日本語"]),
    ])
  func aFollowedFileBeginsWithItsLastLines(text: String, count: Int, lines: [String]) throws {
    try append(text)
    var file = FollowedFile(log, lines: count)
    #expect(file.read() == lines)
    let rest = text.hasSuffix("\n") || text.isEmpty ? "" : String(text.split(separator: "\n").last!)
    try append("!\n")
    #expect(file.read() == [rest + "!"])
  }

  /// Bytes that are no text are three when they are shown.
  @Test func aFollowedFileCountsBytes() throws {
    try FileSystem.write(Array("first\n".utf8) + [0xFF, 0xFE, 10] + Array("last\n".utf8), to: log)
    var file = FollowedFile(log, lines: 2)
    #expect(file.read() == ["\u{FFFD}\u{FFFD}", "last"])
  }

  @Test func reportsThatAreCutOffArePassedOver() throws {
    let report = JobReport(kind: .finished, key: "a", job: "1_0").json.text()
    try append("\(report)\n{\"kind\":\"fin\nnull\n\(report)\n\(report.dropLast(4))")
    #expect(try JobReports.read(log).map(\.key) == ["a", "a"])
    #expect(try JobReports.read(folder + "/missing").isEmpty)
  }

  // MARK: Kinds of file systems

  private let mounts = """
    22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
    30 22 0:40 / /net rw,relatime shared:2 - nfs4 server:/net rw,vers=4.2
    31 30 8:2 / /net/local rw shared:3 - xfs /dev/sdb1 rw
    32 22 0:41 / /fsx rw - lustre 10.0.0.1@tcp:/fsx rw
    33 22 0:42 / /my\\040data rw shared:4 master:5 - fuse.sshfs host:/ rw
    34 22 0:43 / /proc rw - proc proc rw
    35 22 0:44 / /twice rw - nfs server:/old rw
    36 22 8:3 / /twice rw - ext4 /dev/sdc1 rw
    37 22 8:4 / /again rw - ext4 /dev/sdd1 rw
    38 22 0:45 / /again rw - beegfs none rw
    damaged line
    """

  @Test(
    arguments: [
      ("/net/me/store", true), ("/net", true), ("/nets/me", false), ("/net/local/store", false), ("/srv", false),
      ("/", false), ("/fsx/store", true), ("/my data/store", true), ("/my", false), ("/twice/x", false),
      ("/again/x", true),
    ])
  func theMountOfAPathDecides(path: String, isNetwork: Bool) {
    #expect(FileSystemKind.isNetwork(path, mounts: mounts) == isNetwork)
  }

  @Test func withoutMountsAFolderIsLocal() { #expect(!FileSystemKind.isNetwork("/net", mounts: "")) }

  // MARK: Leases

  private func lease(pause: Int = 50_000_000, patience: Int = 2_000_000_000) throws -> StoreLease {
    try StoreLease(root: folder, pause: pause, patience: patience)
  }

  private func write(host: String, process: Int32, token: String = "t") throws {
    let text = "{\"host\":\"\(host)\",\"process\":\(process),\"token\":\"\(token)\",\"beat\":3}"
    try FileSystem.write(Array(text.utf8), to: folder + "/lock.lease")
  }

  @Test func aSecondHolderIsRefused() throws {
    let first = try lease()
    // Ends with the first beat that it sees.
    let error = #expect(throws: RunError.self) { try lease(patience: 600_000_000_000) }
    #expect(error?.code == .locked)
    #expect(error?.description.contains("is in use by process \(getpid()) on \(hostName())") == true)
    #expect(!first.isLost)
    #expect(try FileSystem.list(folder, hidden: false) == ["lock.lease"])
  }

  @Test func aLeaseThatIsGivenBackIsFree() throws {
    for _ in 0..<2 {
      let held = try lease()
      withExtendedLifetime(held) {}
    }
    #expect(try FileSystem.list(folder) == [])
  }

  @Test func theLeaseOfAProcessThatHasEndedIsTakenOverAtOnce() throws {
    let ended = try ChildProcess([], program: "/bin/true")
    _ = try ended.wait()
    try write(host: hostName(), process: ended.identifier)
    let began = monotonicNanoseconds()
    let taken = try lease(patience: 600_000_000_000)
    #expect(monotonicNanoseconds() - began < 600_000_000_000)
    #expect(!taken.isLost)
  }

  /// Whether a process of another machine lives is seen by its beats alone.
  @Test func theLeaseOfASilentMachineIsTakenOverAfterItWasWatched() throws {
    try write(host: "elsewhere", process: getpid())
    let began = monotonicNanoseconds()
    let taken = try lease(patience: 1_000_000_000)
    #expect(monotonicNanoseconds() - began >= 1_000_000_000)
    #expect(!taken.isLost)
  }

  @Test func aDamagedLeaseIsRefused() throws {
    try FileSystem.write(Array("{".utf8), to: folder + "/lock.lease")
    let error = #expect(throws: RunError.self) { try lease() }
    #expect(error?.code == .locked)
  }

  @Test func aLostLeaseIsNoticedAndLeftToItsNewHolder() async throws {
    // No beat comes while the file is replaced.
    var held: StoreLease? = try lease(pause: 2_000_000_000)
    try write(host: "elsewhere", process: 1, token: "another")
    try await works(until: "the loss") { held?.isLost == true }
    held = nil
    #expect(String(decoding: try FileSystem.read(folder + "/lock.lease"), as: UTF8.self).contains("another"))
  }

  @Test func aLeaseThatDisappearsIsLost() async throws {
    let held = try lease(pause: 2_000_000_000)
    try FileSystem.remove(folder + "/lock.lease")
    try await works(until: "the loss") { held.isLost }
  }
}
