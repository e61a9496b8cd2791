"""PyPI projects that many people ask for: what a slip of the finger was probably meant to be.

A list that is read only once there is no such project. It is short, and written down here, on purpose: names
near a famous one that merely exist on an index are often made for those who mistype it.
"""

from __future__ import annotations

__all__ = ["POPULAR"]

_NAMES = """
    aiobotocore aiohttp airflow alembic anthropic anyio argon2-cffi arrow asgiref astropy asyncpg attrs
    awscli azure-core azure-identity azure-storage-blob babel bcrypt beautifulsoup4 black bleach bokeh
    boto3 botocore cachetools catboost celery certifi cffi chardet charset-normalizer click cloudpickle
    colorama coverage cryptography cupy cython dask databricks-sdk dataclasses-json datasets dbt-core
    decorator deepspeed deprecated diffusers dill distributed django djangorestframework dnspython
    docker docutils duckdb elasticsearch email-validator fastapi fastavro filelock fiona flake8 flask
    flax fonttools frozenlist fsspec gensim geopandas gevent gitpython google-api-core google-auth
    google-cloud-bigquery google-cloud-storage gradio greenlet grpcio gunicorn h5py holoviews html5lib
    httpcore httptools httpx huggingface-hub hydra-core hypothesis idna importlib-metadata ipykernel
    ipython ipywidgets isodate isort itsdangerous jax jaxlib jedi jinja2 jmespath joblib jsonschema
    jupyter jupyterlab keras kubernetes langchain langchain-core lightgbm lightning llvmlite lxml
    markdown markupsafe matplotlib metaflow mlflow mmh3 more-itertools moto msgpack msgspec multidict
    mypy mypy-extensions mysqlclient nbconvert nbformat networkx nltk notebook numba numexpr numpy
    oauthlib omegaconf onnx onnxruntime openai opencv-python openpyxl optuna orjson packaging pandas
    paramiko pathspec patsy peft pendulum pexpect pillow pip platformdirs plotly pluggy poetry polars
    pre-commit prefect prometheus-client prompt-toolkit protobuf psutil psycopg2 psycopg2-binary pyarrow
    pyasn1 pycparser pydantic pydantic-core pydantic-settings pygments pyjwt pylint pymongo pymysql
    pynacl pyodbc pyopenssl pyparsing pyproj pyspark pytest pytest-asyncio pytest-cov pytest-mock
    pytest-xdist python-dateutil python-dotenv python-multipart pytorch-lightning pytz pyyaml pyzmq
    rasterio ray redis regex requests requests-oauthlib rich rsa ruamel-yaml ruff s3fs s3transfer
    sagemaker scikit-image scikit-learn scipy seaborn selenium sentence-transformers sentencepiece
    sentry-sdk setuptools shap shapely simplejson six sniffio snowflake-connector-python soupsieve spacy
    sphinx sqlalchemy sqlparse starlette statsmodels streamlit sympy tabulate tenacity tensorboard
    tensorflow textual threadpoolctl tiktoken tokenizers toml tomli tomlkit torch torchaudio torchvision
    tornado tox tqdm traitlets transformers trio triton twine typer typing-extensions tzdata ujson
    urllib3 uv uvicorn uvloop virtualenv wandb watchdog watchfiles websocket-client websockets werkzeug
    wheel wrapt xarray xgboost xlrd xlsxwriter yarl zarr zipp
"""
POPULAR = frozenset(_NAMES.split())
