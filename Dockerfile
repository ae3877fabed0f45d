FROM python:3.13-slim

# Everything that is written at run time goes to /tmp, so that the rest may be read-only.
# One BLAS thread: the arrays are small, and visitors share the cores.
ENV HOME=/tmp \
    MPLCONFIGDIR=/tmp/matplotlib \
    XDG_CACHE_HOME=/tmp/.cache \
    XDG_CONFIG_HOME=/tmp/.config \
    OPENBLAS_NUM_THREADS=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    STREAMLIT_SERVER_FILE_WATCHER_TYPE=none \
    STREAMLIT_SERVER_HEADLESS=true \
    PORT=8501

WORKDIR /app
COPY requirements.txt ./
RUN pip install --no-cache-dir --requirement requirements.txt
COPY .streamlit ./.streamlit
COPY emcore ./emcore
COPY pages ./pages
COPY app.py LICENSE ./
RUN python -m compileall -q app.py emcore pages

USER 10001:10001
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, http.client as h; c = h.HTTPConnection('127.0.0.1', int(os.environ['PORT']), timeout=4); c.request('GET', '/_stcore/health'); raise SystemExit(c.getresponse().read() != b'ok')"]
CMD ["sh", "-c", "exec streamlit run app.py --server.address=0.0.0.0 --server.port=\"$PORT\""]
