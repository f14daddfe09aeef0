"""Validates files of JSON lines, whose names say their formats, and prints what it says about each as JSON."""

import json
import sys
from pathlib import Path


def shape(value, key=""):
    """The value without what no schema looks at: a schema of OCSF knows types, names and the numbers of enumerations."""
    if isinstance(value, dict):
        return {name: shape(member, name) for name, member in value.items()}
    if isinstance(value, list):
        unique = {json.dumps(shape(member)): None for member in value}
        return sorted(unique)
    if isinstance(value, str):
        return ""
    if isinstance(value, int) and not isinstance(value, bool) and not key.endswith(("_id", "_uid")):
        return 0
    return value


def ocsf(version):
    from jsonschema import Draft202012Validator
    from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

    schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(version=version)).get_class_schema("compliance_finding", ["cloud"])
    validator = Draft202012Validator(schema)
    known = {}

    def problems(document):
        alike = json.dumps(shape(document), sort_keys=True)
        if alike not in known:
            known[alike] = [f"{list(error.absolute_path)}: {error.message}"[:300] for error in validator.iter_errors(document)]
        return known[alike]

    return problems


def asff():
    import botocore.session
    from aws_resource_validator.pydantic_models.securityhub.securityhub_classes import AwsSecurityFindingTypeDef
    from botocore.validate import ParamValidator
    from pydantic import ValidationError

    model = botocore.session.get_session().get_service_model("securityhub")
    request = model.operation_model("BatchImportFindings").input_shape

    def problems(document):
        said = []
        # The service's own model knows every name and type.
        report = ParamValidator().validate(document, request)
        if report.has_errors():
            said.append(report.generate_report()[:300])
        # Its words of enumerations are looked at here.
        for finding in document.get("Findings", []):
            try:
                AwsSecurityFindingTypeDef.model_validate(finding)
            except ValidationError as error:
                said.append(str(error)[:300])
        return said

    return problems


def sarif(schema):
    from jsonschema import Draft4Validator

    validator = Draft4Validator(json.loads(Path(schema).read_text()))
    return lambda document: [f"{list(error.absolute_path)}: {error.message}"[:300] for error in validator.iter_errors(document)]


def junit():
    from junitparser import JUnitXml

    def problems(document):
        try:
            suites = JUnitXml.fromstring(document["xml"].encode())
        except Exception as error:
            return [str(error)]
        cases = [case for suite in suites for case in suite]
        counted = {"tests": len(cases), "failures": sum(case.is_failure for case in cases)}
        return [f"{name}: {document[name]}, and {count} is read" for name, count in counted.items() if document[name] != count]

    return problems


def main(folder, schema):
    said = {}
    for file in sorted(Path(folder).iterdir()):
        kind, _, rest = file.name.partition("-")
        validators = {"ocsf": lambda: ocsf(rest.partition("-")[0]), "asff": asff, "sarif": lambda: sarif(schema), "junit": junit}
        validator = validators[kind]()
        documents = [json.loads(line) for line in file.read_text().splitlines()]
        found = {number: validator(document) for number, document in enumerate(documents)}
        said[file.name] = {"documents": len(documents), "problems": {number: some for number, some in found.items() if some}}
    json.dump(said, sys.stdout)


main(sys.argv[1], sys.argv[2])
