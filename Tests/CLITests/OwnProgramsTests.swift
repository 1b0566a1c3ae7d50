import Glibc
import ShardKit
import TestKit
import Testing

/// `Pipelines/own-programs.json` as it is: a function in Python, an operator of HojiChar, and a shell command.
@Suite(.needs(PeerScript.has("hojichar", in: "operators"), "needs Python with hojichar")) struct OwnProgramsTests {
  @Test func programsOfThreeKindsRun() throws {
    let bench = try Workbench()
    // HojiChar is not among the modules of the interpreter itself.
    let operators = "$(\(PeerScript.interpreter) -c 'import sys; print(sys.prefix)')/operators"
    try bench.write(
      "python", "#!/bin/sh\nPYTHONPATH=\"$PYTHONPATH:\(operators)\" exec \(PeerScript.interpreter) \"$@\"\n")
    chmod(bench.folder + "/python", 0o755)
    let document = packagePath("Pipelines/own-programs.json")
    let store = ["--store", bench.folder + "/store", "--set", "python=\(bench.folder)/python"]
    let outcome = try bench.run(["run", document] + store)
    #expect(outcome.status == 0, "\(outcome.err)")
    for end in [
      "quality  done in . s: 4 in, 1 out, 3 dropped (minimum-characters 2, minimum-hiragana-fraction 1)",
      "short    done in . s: 4 in, 3 out, 1 dropped (DocumentLengthFilter 1)", "dedupe   done in . s: 4 in, 3 out",
    ] {
      let found = outcome.err.replacing(#/in [0-9.]+ s:/#, with: "in . s:")
      #expect(found.contains(end), "\(outcome.err)")
    }
    let trace = try bench.run(["trace", document, "table"] + store).out
    #expect(trace.contains("quality  dropped: minimum-hiragana-fraction: "), "\(trace)")
    // The only one of its outputs that it writes.
    let report = String(try bench.run(["artifact", document, "sizes"] + store).out.dropLast())
    let sizes = String(decoding: try FileSystem.read(report + "/bytes.txt"), as: UTF8.self)
    #expect(sizes.contains(".jsonl.zst") && sizes.contains("total"), "\(sizes)")
    #expect(try bench.run(["run", document] + store).out.hasPrefix("nothing to do: "))
  }
}
