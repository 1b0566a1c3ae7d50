import Glibc
import NetKit
import ShardKit
import Stages
import TextKit
import TrainerCore

/// What a machine has of the software that some stages use.
extension MachineChecks {
  static func software() -> [Finding] { [vectors(), certificates(), mecab(), engine(), parquet(), python()] }

  private static func vectors() -> Finding {
    let text = "\(VectorCode.kernels) for near-duplicates, \(VectorCode.json) for JSON"
    if let value = VectorCode.unknownRequest {
      return Finding(
        "vectors", .optional, "\(text); \(VectorCode.variable) is '\(value)', which is not known",
        "Its values are \(VectorCode.values.joined(separator: " and ")).")
    }
    return Finding("vectors", .good, text)
  }

  private static func certificates() -> Finding {
    guard let file = TrustedCertificates.file else {
      return Finding(
        "certificates", .optional, "are not installed; only stages that ask servers need them",
        TrustedCertificates.remedy)
    }
    guard access(file, R_OK) == 0 else {
      return Finding("certificates", .optional, "\(file) cannot be read", TrustedCertificates.remedy)
    }
    return Finding("certificates", .good, file)
  }

  private static func mecab() -> Finding {
    do {
      let mecab = try MeCab()
      return Finding("MeCab", .good, "with the dictionary \(mecab.dictionaryPath)")
    } catch {
      return Finding(
        "MeCab", .optional, "\(error.message); only tokenizers and filters that use MeCab need it", error.hint)
    }
  }

  private static func parquet() -> Finding {
    do {
      let library = try ParquetLibrary.require(for: "")
      return Finding("Parquet library", .good, "Arrow \(library.version)")
    } catch {
      return Finding("Parquet library", .optional, "not found; only Parquet and Arrow files need it", "\(error)")
    }
  }

  /// Only training needs it. Checked in a child process, so that torch is never loaded into this one.
  private static func engine() -> Finding {
    do {
      let engine = try TrainingEngine.require()
      let devices = engine.gpus == 0 ? "the CPU" : "\(engine.gpus) GPU\(engine.gpus == 1 ? "" : "s")"
      return Finding("training engine", .good, "torch \(engine.version) on \(devices)")
    } catch {
      guard Engine.locate() == nil else {
        return Finding("training engine", .optional, "does not start; only training needs it", "\(error)")
      }
      return Finding("training engine", .optional, "is not built; only training needs it", EngineNeeds.advice())
    }
  }

  private static func python() -> Finding {
    if let found = FileSystem.program(named: "python3") {
      return Finding("python3", .good, "\(found); only comparison tests need it")
    }
    return Finding(
      "python3", .optional, "is not installed; only comparison tests need it", "apt-get install python3-venv")
  }
}

/// What building the training engine on this machine needs.
enum EngineNeeds {
  /// How to build it, or what has to be installed first.
  static func advice() -> String {
    let compiler = getenv("CXX").map { String(cString: $0) } ?? "g++"
    let python = pythonProgram()
    var missing: [String] = []
    if FileSystem.program(named: compiler) == nil {
      missing.append("a C++ compiler ('\(compiler)': install g++, load the cluster's module of gcc, or set CXX)")
    }
    let torch = python.flatMap(torchVersion)
    if torch == nil {
      let tried = python.map { "'\($0)' has none: pip install torch" } ?? "there is no python3"
      missing.append("a Python with torch 2.11 or newer (\(tried), or name another in PIPELINE_PYTHON)")
    }
    guard missing.isEmpty, let python, let torch else {
      return "It is built here by '\(Engine.script)', which lacks \(missing.joined(separator: " and "))."
    }
    return "Build it in some minutes, against torch \(torch): \(Engine.script) --python \(python)"
  }

  /// As `Scripts/engine` chooses: `PIPELINE_PYTHON`, that of the environment which the program is installed in, python3.
  private static func pythonProgram() -> String? {
    if let named = getenv("PIPELINE_PYTHON") { return FileSystem.program(named: String(cString: named)) }
    let own = InstalledFiles.folder.flatMap { _ in InstalledFiles.programFolder.map { $0 + "/python" } }
    return own.flatMap { FileSystem.program(named: $0) } ?? FileSystem.program(named: "python3")
  }

  /// The version of its torch, read without importing it.
  private static func torchVersion(_ python: String) -> String? {
    let command = ChildCommand(
      python, ["-c", "import importlib.metadata as m; print(m.version('torch'))"], timeoutSeconds: 20)
    guard let result = try? command.run(), result.status == 0 else { return nil }
    return String(decoding: result.output, as: UTF8.self).split(separator: "\n").last.map(String.init)
  }
}
