from __future__ import annotations

import pytest

from conjoin.errors import UsageError
from conjoin.spec.readers.requirements_txt import read_constraints, read_requirements_txt


def read(tmp_path, text, environ=None):
    path = tmp_path / "requirements.txt"
    path.write_text(text)
    return read_requirements_txt(path, environ or {})


def names(requirements):
    return [str(one) for one in requirements]


def test_lines_comments_and_continuations(tmp_path):
    text = (
        "# all\n\nflask>=2, \\\n   <4  # why\nattrs # ; not a marker\n"
        "requests[socks] ; os_name == 'posix'\n  six\\\n==1.16.0\n"
    )
    assert names(read(tmp_path, text).pypi) == [
        "flask<4,>=2",
        "attrs",
        'requests[socks] ; os_name == "posix"',
        "six==1.16",
    ]


def test_a_comment_line_ends_a_continuation_as_in_pip(tmp_path):
    assert names(read(tmp_path, "flask \\\n# comment \\\nattrs\n").pypi) == ["flask", "attrs"]


def test_a_hash_sign_inside_a_url_is_no_comment(tmp_path):
    asked = read(tmp_path, "x @ https://host.example/x.zip#subdirectory=a  # comment\n")
    assert asked.pypi[0].url == "https://host.example/x.zip#subdirectory=a"


@pytest.mark.parametrize("line", ["--index-url {}", "-i {}", "--index-url={}", "-i{}", '--index-url "{}"'])
def test_the_default_index_in_every_spelling(tmp_path, line):
    asked = read(tmp_path, line.format("https://u:pw@index.example/simple"))
    assert asked.index_url == "https://index.example/simple/"
    assert asked.credentials[0].password == "pw"


def test_options(tmp_path):
    asked = read(
        tmp_path,
        "--extra-index-url https://a.example/simple --extra-index-url=https://b.example/simple\n"
        "-f ./wheels\n--find-links https://page.example/\n--pre\n--no-index\n--no-binary :all:\n"
        "--only-binary=Foo_bar,baz\n--trusted-host a.example\n--require-hashes\n",
    )
    assert asked.extra_indexes == ("https://a.example/simple/", "https://b.example/simple/")
    assert asked.find_links == ((tmp_path / "wheels").as_uri(), "https://page.example/")
    assert asked.prereleases
    assert asked.no_index
    assert asked.no_binary == (":all:",)
    assert asked.only_binary == ("foo-bar", "baz")
    assert asked.notes == ("--trusted-host is left aside", "--require-hashes is left aside")


def test_hashes_belong_to_their_requirement(tmp_path):
    asked = read(
        tmp_path, f"six==1.16 \\\n  --hash=sha256:{'b' * 64} \\\n  --hash sha256:{'a' * 64}\nattrs\n"
    )
    assert asked.pypi[0].hashes == (f"sha256:{'a' * 64}", f"sha256:{'b' * 64}")
    assert asked.pypi[1].hashes == ()


def test_extensions_for_the_conda_side(tmp_path):
    asked = read(
        tmp_path,
        "--conda-channel conda-forge\n--conda-pkg numpy >=1.2,<2\n--conda-pkg=zlib=1.2\n"
        "--conda-pkg 'mine::thing'\n--sys-pkg __cuda=12.0\n--sys-pkg __glibc==2.31\n",
    )
    assert asked.channels == ("conda-forge",)
    assert names(asked.conda) == ["numpy >=1.2,<2", "zlib 1.2.*", "mine::thing"]
    assert asked.virtual_packages == (("__cuda", "12.0"), ("__glibc", "2.31"))


def test_python_is_no_project_but_the_version_of_python(tmp_path):
    assert read(tmp_path, "python==3.11\n").python == ("3.11.*",)
    assert read(tmp_path, "python >=3.9, <3.13\n").python == (">=3.9,<3.13",)
    assert read(tmp_path, "python-dateutil\n").python == ()


def test_nested_files_are_found_beside_the_file_that_names_them(tmp_path):
    (tmp_path / "sub" / "deep").mkdir(parents=True)
    (tmp_path / "sub" / "more.txt").write_text("attrs\n-rdeep/most.txt\n--find-links wheels\n")
    (tmp_path / "sub" / "deep" / "most.txt").write_text("six\n")
    (tmp_path / "bounds.txt").write_text("idna<4\n")
    asked = read(tmp_path, "flask\n-r sub/more.txt\n--constraint bounds.txt\n")
    assert names(asked.pypi) == ["flask", "attrs", "six"]
    assert names(asked.constraints) == ["idna<4"]
    assert asked.find_links == ((tmp_path / "sub" / "wheels").as_uri(),)


def test_a_file_that_names_itself_is_refused(tmp_path):
    (tmp_path / "other.txt").write_text("-r requirements.txt\n")
    with pytest.raises(UsageError, match=r"other\.txt:1: .*requirements\.txt names itself"):
        read(tmp_path, "-r other.txt\n")


def test_one_file_may_be_named_twice(tmp_path):
    (tmp_path / "other.txt").write_text("six\n")
    assert names(read(tmp_path, "-r other.txt\n-r other.txt\n").pypi) == ["six"]


def test_variables_are_put_in_as_pip_does(tmp_path):
    text = "--index-url https://u:${TOKEN}@h.example/simple\nx @ https://h.example/${lower}/$TOKEN/${UNSET}.zip\n"
    asked = read(tmp_path, text, {"TOKEN": "secret", "lower": "no"})
    assert asked.credentials[0].password == "secret"
    assert asked.pypi[0].url == "https://h.example/${lower}/$TOKEN/${UNSET}.zip"


def test_urls_vcs_and_paths_are_requirements_with_a_url(tmp_path):
    (tmp_path / "proj").mkdir()
    (tmp_path / "proj" / "pyproject.toml").write_text('[project]\nname = "proj"\n')
    (tmp_path / "w-1.0-py3-none-any.whl").touch()
    asked = read(
        tmp_path,
        "git+https://host.example/foo.git@v1#egg=foo\n./proj[fast]\nw-1.0-py3-none-any.whl\n"
        "https://host.example/bar-2.0.tar.gz\nnamed @ file:///x/y.whl\n",
    )
    assert [(one.name, one.extras, one.url) for one in asked.pypi] == [
        ("foo", (), "git+https://host.example/foo.git@v1"),
        ("proj", ("fast",), (tmp_path / "proj").as_uri()),
        ("w", (), (tmp_path / "w-1.0-py3-none-any.whl").as_uri()),
        ("bar", (), "https://host.example/bar-2.0.tar.gz"),
        ("named", (), "file:///x/y.whl"),
    ]


def test_constraints_and_overrides_are_files_of_the_same_format(tmp_path):
    path = tmp_path / "bounds.txt"
    path.write_text("idna<4 # why\nsix==1.16\n")
    assert names(read_constraints(path).constraints) == ["idna<4", "six==1.16"]
    assert names(read_constraints(path, overrides=True).overrides) == ["idna<4", "six==1.16"]


def test_a_byte_order_mark_and_windows_line_ends_mean_nothing(tmp_path):
    (tmp_path / "requirements.txt").write_bytes(b"\xef\xbb\xbfflask\r\nsix\r\n")
    assert names(read_requirements_txt(tmp_path / "requirements.txt").pypi) == ["flask", "six"]


def test_a_text_that_is_at_hand_is_read_with_the_file_s_folder_and_name(tmp_path):
    (tmp_path / "more.txt").write_text("six\n")
    path = tmp_path / "requirements.txt"
    assert names(read_requirements_txt(path, text="-r more.txt\nattrs\n").pypi) == ["attrs", "six"]
    with pytest.raises(UsageError) as caught:
        read_requirements_txt(path, text="attrs\n\n==1\n")
    assert caught.value.where == f"{path}:3"
